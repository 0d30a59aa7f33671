"""Go back to a kernel that a server has: one named by its id, or the one of a profile.

The link counts the kernel's packets (:mod:`kernelbus.shell.clients.session`), and the profile keeps
the count, so that each packet is heard by one program and none is lost between two.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from kernelbus.shell.address import Address
from kernelbus.shell.clients.choice import Attachment, Choice
from kernelbus.shell.clients.profile import ProfileError, ProfileFile
from kernelbus.shell.clients.session import KernelRefused, SessionError, reconnect_command
from kernelbus.shell.clients.session import Session as CountedLink
from kernelbus.shell.commands import PYTHON
from kernelbus.shell.extras import MissingExtra
from kernelbus.shell.pool.kernellink import KernelLink
from kernelbus.shell.pool.said import NoKernel, TokenRefused
from kernelbus.shell.token import TokenError, find_token
from wstp import Symbol

__all__ = ["Way", "go_back"]

_log = logging.getLogger("kernelbus.kernelpool")


@dataclass(frozen=True, slots=True)
class Way:
    """The way to a kernel.

    Attributes:
        link: the link with the kernel.
        address: the server.
        fresh: whether no program had the kernel before.
        busy: whether it still evaluates for an earlier client.
        notice: what to tell the user about how the kernel was got; "" for nothing.
        attachment: what keeps the profile up to date; None without a profile.
    """

    link: KernelLink
    address: Address
    fresh: bool
    busy: bool
    notice: str
    attachment: Attachment | None

    def note(self) -> None:
        """Write to the profile, if there is one, what has been read."""
        if self.attachment is None:
            return
        try:
            self.attachment.save(self.attachment.session.position)
        except ProfileError as error:
            # The value that was read is worth more than the place to which one would go back.
            _log.warning("%s", error)


def go_back(
    address: Address | None, *, kernel: str = "", profile: str = "", keep: bool, token: str | None, timeout: float
) -> Way:
    """Attach a kernel that exists; for a profile without one, attach a fresh kernel and write it.

    Args:
        address: the server, and the pool of a fresh kernel; None: the default one, or the
            profile's.
        kernel: the kernel's id; "" for the one of the profile.
        profile: the name or path of the profile.
        keep: whether the kernel outlives the link.
        token: the server's token; None: it is looked for.
        timeout: seconds in which the kernel must come.

    Raises:
        NoKernel: there is no server, or it gave no kernel; or the profile cannot be used.
        TokenRefused: the server wants its token, and none is known, or a wrong one.
    """
    place: Address | None
    try:
        if kernel:
            place = replace(address or Address(), pool="")
            known = find_token(place.host) if token is None else token
            command = reconnect_command(kernel, keep=keep)
            counted = CountedLink(place, command, token=known, timeout=timeout, on_wait=_say_waiting, words=PYTHON)
            attachment, fresh, notice = None, False, ""
        else:
            pool = address.pool if address is not None else ""
            place = None if address is None else replace(address, pool="")
            choice = Choice(place, pool=pool, file=ProfileFile(profile, PYTHON), resume=True, token=token, words=PYTHON)
            attachment = choice.attach(keep=keep, timeout=timeout, on_wait=_say_waiting)
            counted, fresh, notice = attachment.session, attachment.fresh, attachment.notice
    except KernelRefused as error:
        raise (TokenRefused if error.tag == "token" else NoKernel)(str(error)) from None
    except TokenError as error:
        raise TokenRefused(str(error)) from None
    except (SessionError, ProfileError, MissingExtra) as error:
        raise NoKernel(str(error)) from None
    table = None if fresh else counted.describe()
    busy = table is not None and table.get("Busy") == Symbol("True")
    link = KernelLink(counted.link, counted.kernel, server=(counted.address, counted.token), reader=counted.next)
    return Way(link, counted.address, fresh, busy, notice, attachment)


def _say_waiting(what: str) -> None:
    _log.warning("waiting for a kernel: %s", what)
