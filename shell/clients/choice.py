"""Which kernel a client is to use: a fresh one, a named one, or the one of a profile.

:class:`Choice` is what was asked for; :meth:`Choice.attach` gets the kernel, and the
:class:`Attachment` keeps the profile up to date.
"""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from kernelbus.shell.address import Address, AddressError
from kernelbus.shell.clients.presence import find_kernel, find_moved
from kernelbus.shell.clients.profile import CellNote, Profile, ProfileError, ProfileFile, known_servers
from kernelbus.shell.clients.session import (
    KernelRefused,
    Session,
    SessionError,
    connect_command,
    reconnect_command,
)
from kernelbus.shell.commands import COMMAND_LINE, Words
from kernelbus.shell.extras import needed
from kernelbus.shell.token import find_token

__all__ = ["Attachment", "Choice", "ChoiceError"]


# Seconds for which a discovered server is tried before the next one is.
_PATIENCE = 5.0

# Why a server refuses whoever comes: what a stranger at an old address of a server says, too.
_LOCKED_OUT = ("token",)

# Seconds between two writes of the profile during output; when output pauses, it is written.
_SAVE_SECONDS = 0.1


class ChoiceError(Exception):
    """The options contradict each other, or one is wrong; the text is one line."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The kernel that was asked for, checked.

    Attributes:
        address: the server; None: the default one, or the profile's.
        discover: the name of an advertised server, "" for any; None: do not look for one.
        pool: the pool; "" for the server's choice.
        kernel: the id of an existing kernel; "" without one.
        file: the profile; None without one.
        start: whether a fresh kernel may be attached for the profile.
        resume: whether the profile's present kernel may be attached.
        token_file: the file with the token of the server; None: none was named.
        token: the token itself; None: it is looked for.
        lenient: whether a profile's kernel is attached although some of what it said is lost, with
            a notice; else that is refused, and says how it can be had.
        confirm: asks a person a question about what would be lost, and returns the answer; None:
            nobody is there, and what needs an answer is refused.
        words: how errors say what to do.
    """

    address: Address | None = None
    discover: str | None = None
    pool: str = ""
    kernel: str = ""
    file: ProfileFile | None = None
    start: bool = True
    resume: bool = False
    token_file: str | None = None
    lenient: bool = False
    confirm: Callable[[str], bool] | None = None
    token: str | None = None
    words: Words = COMMAND_LINE

    @classmethod
    def of(
        cls,
        *,
        server: str | None = None,
        discover: str | None = None,
        pool: str | None = None,
        kernel_id: str | None = None,
        start_profile: str | None = None,
        continue_profile: str | None = None,
        prefer_profile: str | None = None,
        token_file: str | None = None,
        ca_file: str | None = None,
        confirm: Callable[[str], bool] | None = None,
    ) -> Choice:
        """Check what was given for each option of the clients; None: it was left out.

        Args:
            server: the server's address.
            discover: the name of an advertised server; "" for any.
            pool: the pool of which a fresh kernel is wanted.
            kernel_id: the id of an existing kernel.
            start_profile, continue_profile, prefer_profile: a profile's path or name; at most one.
            token_file: the file with the token of the server.
            ca_file: the file of certificates to trust, for a server under TLS.
            confirm: as the attribute.

        Raises:
            ChoiceError: a value is wrong, or two of them contradict each other.
        """
        try:
            address = None if server is None else Address.parse(server)
        except AddressError as error:
            raise ChoiceError(f"--server: {error}") from None
        if ca_file is not None:
            if address is None or not address.tls:
                raise ChoiceError("--ca-file is for a server under TLS: name it with --server wstps://HOST:PORT")
            address = replace(address, ca_file=os.path.abspath(ca_file))
        if discover is not None and address is not None:
            raise ChoiceError("--server names a server, and --discover looks for one: leave one of them out")
        if discover is not None and continue_profile:
            raise ChoiceError("--continue-profile goes to the profile's server: leave --discover out")
        wanted = pool if pool is not None else address.pool if address is not None else ""
        if address is not None and address.pool and wanted != address.pool:
            raise ChoiceError(f"--pool {wanted} and the pool in --server {server} differ: leave one out")
        if kernel_id == "":
            raise ChoiceError("--kernel-id is empty")
        if kernel_id and wanted:
            raise ChoiceError("--kernel-id names a kernel, whatever its pool is: leave the pool out")
        returning = continue_profile or prefer_profile
        if kernel_id and returning:
            raise ChoiceError("a profile names its kernel: leave --kernel-id out, or write the profile with --start-profile")
        if wanted and continue_profile:
            raise ChoiceError("--continue-profile goes to the profile's kernel, whatever its pool is: leave the pool out")
        name = start_profile if start_profile is not None else returning
        try:
            file = None if name is None else ProfileFile(name)
        except ProfileError as error:
            raise ChoiceError(str(error)) from None
        return cls(
            address, discover, wanted, kernel_id or "", file, continue_profile is None, bool(returning), token_file, confirm=confirm
        )

    @property
    def kept(self) -> bool:
        """Whether the kernel is to outlive the client."""
        return bool(self.kernel) or self.file is not None

    def attach(
        self,
        *,
        keep: bool,
        resume: bool = False,
        timeout: float | None = None,
        on_wait: Callable[[str], None] | None = None,
    ) -> Attachment:
        """Attach the kernel.

        Args:
            keep: whether a fresh kernel lives on when the link closes.
            resume: whether to get the output that a kernel named by its id gave meanwhile; that of
                a profile's kernel always comes.
            timeout: seconds in which the kernel must come; None: as long as the server waits.
            on_wait: called with what the kernel is waited for, when that takes longer.

        Raises:
            SessionError: there is no server, or it gave no kernel.
            ProfileError: the profile cannot be used.
            TokenError: the token of the server cannot be used.
            MissingExtra: a package is missing that looking for a server needs.
        """
        if self.file is not None and self.resume and (not self.start or self.file.exists()):
            profile = self.file.read()
            self._check_server(profile)
            self.file.check_writable()
            try:
                return self._resumed(profile, timeout, on_wait)
            except _Gone as gone:
                profile, why = gone.profile, gone.refused.reason
                if not self.start:
                    raise ProfileError(
                        f"profile {self.file}: its kernel is gone ({why}): "
                        f"--start-profile {shlex.quote(self.file.name)} gets another"
                    ) from None
            pool = profile.pool if not self.pool else self.pool
            notice = f"profile {self.file.name}: its kernel is gone ({why}); this is a new one"
            return self._started(
                profile.server,
                pool,
                profile.parallel,
                notice=notice,
                known=profile.token,
                service=profile.service,
                timeout=timeout,
                on_wait=on_wait,
            )
        if self.file is not None and not self.resume:
            self._check_not_lost()
        if self.discover is not None:
            return self._discovered(self.discover, keep=keep, resume=resume, timeout=timeout, on_wait=on_wait)
        server = self.address or Address()
        return self._started(server, self.pool, False, keep=keep, resume=resume, timeout=timeout, on_wait=on_wait)

    def _resumed(self, profile: Profile, timeout: float | None, on_wait: Callable[[str], None] | None) -> Attachment:
        """Attach the kernel of a profile, at the address that its server has now.

        Raises:
            _Gone: it does not exist any more.
            SessionError, ProfileError, TokenError: it cannot be attached.
        """
        assert self.file is not None
        try:
            try:
                return self._back(profile, timeout, on_wait)
            except SessionError as error:
                # At an address that the server had before there may be another one by now.
                if isinstance(error, KernelRefused) and not (error.gone or error.tag in _LOCKED_OUT):
                    raise
                moved = find_moved(profile.service, profile.server, profile.kernel, self._token(profile))
                if moved is None:
                    raise
            profile = replace(profile, server=moved)
            notice = f"profile {self.file.name}: {profile.service} is at {moved.place} now"
            return self._back(profile, timeout, on_wait, notice)
        except KernelRefused as refused:
            if refused.tag == "resumetooold" and self.lenient:
                notice = f"some of what was missed is lost: {refused.reason}"
                return self._back(profile, timeout, on_wait, notice, whole=True)
            if refused.tag == "resumetooold":
                server, name = _words(profile.server), shlex.quote(self.file.name)
                go_on = self.words.go_on.format(server=server, kernel=profile.kernel, name=name)
                raise ProfileError(f"profile {self.file}: {refused.reason}; to go on without it, {go_on}") from None
            if not refused.gone:
                raise
            raise _Gone(profile, refused) from None

    def _back(
        self, profile: Profile, timeout: float | None, on_wait: Callable[[str], None] | None, notice: str = "", *, whole: bool = False
    ) -> Attachment:
        """Attach the kernel of a profile, from its resume point on.

        `whole`: get all that the server still knows instead.
        """
        assert self.file is not None
        command = reconnect_command(profile.kernel, None if whole else profile.resume_point, profile=self.file.label)
        token, prove = self._token(profile), bool(profile.service)
        session = Session(profile.server, command, token=token, prove=prove, timeout=timeout, on_wait=on_wait, words=self.words)
        known = replace(profile, token=session.given or profile.token)
        return Attachment(session, self.file, known, fresh=False, notice=notice, service=profile.service)

    def _token(self, profile: Profile) -> str:
        return self._find_token(profile.server.host, profile.token)

    def _find_token(self, host: str, known: str) -> str:
        return self.token if self.token is not None else find_token(host, self.token_file, known=known)

    def _discovered(
        self,
        name: str,
        *,
        keep: bool,
        resume: bool,
        timeout: float | None,
        on_wait: Callable[[str], None] | None,
    ) -> Attachment:
        """Attach a kernel of an advertised server: of the first that gives one.

        Raises:
            SessionError: none does.
        """
        with needed():
            from kernelbus.shell.clients.discover import DiscoveryError, look
        deadline = None if timeout is None else time.monotonic() + timeout
        known = {(place.host, place.port): token for place, token in known_servers()}
        failures: list[SessionError] = []
        refused: set[str] = set()
        tried: set[tuple[str, str, int]] = set()
        # Most answers come at once. Where none of those helps, the late ones are waited for.
        for thoroughly in (False, True):
            if thoroughly and deadline is not None and time.monotonic() > deadline:
                break
            try:
                found = look(name, self.pool, only=bool(self.kernel), known=known, thoroughly=thoroughly)
            except DiscoveryError:
                if not failures:
                    raise
                break
            places = [(server, address) for server in found for address in server.addresses]
            places = [(server, address) for server, address in places if (server.instance, address, server.port) not in tried]
            for number, (server, address) in enumerate(places, 1):
                if server.instance in refused:
                    continue
                tried.add((server.instance, address, server.port))
                left = None if deadline is None else max(deadline - time.monotonic(), 0.1)
                one_of = f"{len(found)} servers fit; this is {server.instance}, at {server.port}@{address}" if len(found) > 1 else ""
                try:
                    return self._started(
                        Address(address, server.port),
                        self.pool,
                        False,
                        keep=keep,
                        resume=resume,
                        known=known.get((address, server.port), ""),
                        service=server.instance,
                        notice="; ".join([one_of, *map(str, failures)]) if one_of else "",
                        timeout=left,
                        patience=_PATIENCE if number < len(places) else None,
                        on_wait=on_wait,
                    )
                except SessionError as error:
                    if isinstance(error, KernelRefused):
                        refused.add(server.instance)
                    failures.append(error)
        if len(tried) == 1:
            raise failures[0]
        raise DiscoveryError(f"no server that is advertised gives a kernel: {'; '.join(map(str, failures))}")

    def _check_not_lost(self) -> None:
        """Ask before a profile is written anew whose kernel is still there, or refuse.

        Raises:
            ProfileError: it is not to be written, or nobody is there to be asked.
        """
        assert self.file is not None
        try:
            profile = self.file.read() if self.file.exists() else None
            if profile is None or profile.kernel == self.kernel:
                return
            token = self._token(profile)
            found = find_kernel(profile.server, profile.kernel, token)
        except (ProfileError, SessionError):
            return  # a file or a server that cannot be read leads to no kernel
        if found is None:
            return
        kernel = f"kernel {profile.kernel[:8]} at {profile.server.place}"
        there = f"profile {self.file.name} leads to {kernel}, which is still there ({found})"
        if self.confirm is None:
            name = shlex.quote(self.file.name)
            raise ProfileError(
                f"{there}: --continue-profile {name} goes back to it, and kernelbus profiles remove {name} forgets it"
            )
        if not self.confirm(f"P{there[1:]}. Leave it, and write the profile for another kernel? [y/N] "):
            raise ProfileError("nothing is done")

    def _started(
        self,
        address: Address,
        pool: str,
        parallel: bool,
        *,
        keep: bool = True,
        resume: bool = False,
        known: str = "",
        service: str = "",
        notice: str = "",
        timeout: float | None = None,
        patience: float | None = None,
        on_wait: Callable[[str], None] | None = None,
    ) -> Attachment:
        address = replace(address, pool="")
        token = self._find_token(address.host, known)
        if self.file is not None:
            self.file.check_writable()
        label = self.file.label if self.file is not None else ""
        if self.kernel and resume:
            command = reconnect_command(self.kernel, profile=label)
        else:
            command = connect_command(self.kernel, pool=pool, parallel=parallel, profile=label, keep=keep or self.kept)
        prove = bool(service)
        session = Session(
            address, command, token=token, prove=prove, timeout=timeout, patience=patience, on_wait=on_wait, words=self.words
        )
        profile = None
        if self.file is not None:
            profile = Profile(address, session.kernel, pool, parallel, session.position, session.given, service)
        try:
            return Attachment(session, self.file, profile, fresh=not self.kernel, notice=notice, service=service)
        except BaseException:
            session.close()
            raise

    def _check_server(self, profile: Profile) -> None:
        if self.address is not None and _place(self.address) != _place(profile.server):
            assert self.file is not None
            raise ProfileError(
                f"profile {self.file} is of server {profile.server.place}, not of {self.address.place}: "
                f"{self.words.server_or_profile}"
            )


class _Gone(Exception):
    """The kernel of a profile does not exist any more; `profile` has its server's address."""

    def __init__(self, profile: Profile, refused: KernelRefused) -> None:
        super().__init__(str(refused))
        self.profile = profile
        self.refused = refused


def _place(address: Address) -> tuple[str, int, bool]:
    return "127.0.0.1" if address.host == "localhost" else address.host, address.port, address.tls


def _words(address: Address) -> str:
    """Return the options of a command line that name a server."""
    trusted = f" --ca-file {shlex.quote(address.ca_file)}" if address.ca_file else ""
    return f"--server {shlex.quote(address.place)}{trusted}"


class Attachment:
    """A session, and the profile that says how to get back to it.

    Attributes:
        session: the session; :meth:`again` replaces it.
        file: the profile; None without one.
        fresh: whether no client had the kernel before.
        notice: what to tell the user about how the kernel was got; empty: nothing.
        service: the name under which the server is advertised, if it was found by that; else empty.
    """

    def __init__(
        self,
        session: Session,
        file: ProfileFile | None,
        profile: Profile | None,
        *,
        fresh: bool,
        notice: str = "",
        service: str = "",
    ) -> None:
        self.session = session
        self.file = file
        self.fresh = fresh
        self.notice = notice
        self.service = service
        self._profile = profile
        self._saved: int | None = None
        self._position = session.position
        self._next_save = 0.0
        self.save(session.position)

    @property
    def profile(self) -> Profile | None:
        """What the profile says; None without one."""
        return self._profile

    def note(self, asks: CellNote | None, *, notebook: str = "") -> None:
        """Note in the profile, if there is one, the cell of a notebook whose evaluation begins.

        Args:
            asks: the cell; None: it has ended, which :meth:`save` writes.
            notebook: the path of the notebook.

        Raises:
            ProfileError: it cannot be written.
        """
        if self.file is None or self._profile is None or asks == self._profile.asks:
            return
        self._profile = replace(self._profile, asks=asks, notebook=notebook or self._profile.notebook)
        if asks is not None:
            self._profile = self.file.write(self._profile)

    def save(self, position: int) -> None:
        """Note in the profile, if there is one, that all packets before `position` have been shown.

        Raises:
            ProfileError: it cannot be written.
        """
        if self.file is None or self._profile is None or position == self._saved:
            return
        self._position = position
        self._profile = self.file.write(replace(self._profile, resume_point=position))
        self._saved = position

    def save_soon(self, position: int) -> None:
        """Note the same, but write it at most every tenth of a second.

        The caller calls :meth:`save_now` when :attr:`unsaved` says so.

        Raises:
            ProfileError: it cannot be written.
        """
        self._position = position
        if time.monotonic() >= self._next_save:
            self._next_save = time.monotonic() + _SAVE_SECONDS
            self.save(position)

    @property
    def unsaved(self) -> float | None:
        """After how many seconds to call :meth:`save_now`; None: all is saved."""
        if self.file is None or self._position == self._saved:
            return None
        return max(self._next_save - time.monotonic(), 0.0)

    def save_now(self) -> None:
        """Write what :meth:`save_soon` was told last.

        Raises:
            ProfileError: it cannot be written.
        """
        self.save(self._position)

    def again(self, position: int | None) -> None:
        """Attach the kernel again after the link was lost.

        A server that was found by its name is looked for by it, if it is not where it was.

        Args:
            position: the first packet to get; None: all missed packets that the server still knows.

        Raises:
            SessionError: this attempt failed.
        """
        old = self.session
        label = self.file.label if self.file is not None else ""
        command = reconnect_command(old.kernel, position, profile=label)
        try:
            self.session = Session(old.address, command, token=old.token, prove=bool(self.service))
        except SessionError as error:
            if isinstance(error, KernelRefused) and not (error.gone or error.tag in _LOCKED_OUT):
                raise
            moved = find_moved(self.service, old.address, old.kernel, old.token)
            if moved is None:
                raise
            self.session = Session(moved, command, token=old.token, prove=True)
            if self._profile is not None:
                self._profile, self._saved = replace(self._profile, server=moved), None
                self.save_now()

    def way_back(self, command: str) -> str:
        """Return the command line with which `kernelbus COMMAND` attaches the kernel again."""
        if self.file is not None:
            return f"kernelbus {command} --continue-profile {shlex.quote(self.file.name)}"
        address = self.session.address
        server = "" if address == Address() else f"{_words(address)} "
        # With =, since an id may begin with - and would look like an option.
        return f"kernelbus {command} {server}--kernel-id={shlex.quote(self.session.kernel)}"
