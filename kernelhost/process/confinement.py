"""What the operator lets a kernel have: user, folder, environment and resources of its process.

A :class:`Confinement` is made by the host from the pool's configuration. It takes effect in the
kernel's own process, after the fork and before anything of the kernel runs (:meth:`~Confinement.
enter`), for a forked kernel as for one that is a program of its own.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Mapping
from typing import Any, NamedTuple

from kernelbus.bus.settings.config import PoolConfig
from kernelbus.kernelhost.process.tree import MARK, become_reaper

__all__ = ["PASSED_ON", "Confinement", "Person", "confinement_of", "passed_on", "person"]

#: The variables of the server's environment that kernels get. A server may have secrets in others.
PASSED_ON = (
    "HOME", "LANG", "LANGUAGE", "LOGNAME", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PATH", "SHELL", "TMPDIR", "TZ", "USER",
    "LD_LIBRARY_PATH", "PYTHONDONTWRITEBYTECODE", "SSL_CERT_DIR", "SSL_CERT_FILE",
)  # fmt: skip
_PASSED_PREFIXES = ("LC_", "MATHEMATICA", "WOLFRAM")

_LIMITS = {
    "maximum_processes": resource.RLIMIT_NPROC,
    "maximum_open_files": resource.RLIMIT_NOFILE,
    "maximum_cpu_time": resource.RLIMIT_CPU,
    "maximum_file_size": resource.RLIMIT_FSIZE,
}


class Person(NamedTuple):
    """A user of the machine, as a process takes it on.

    Attributes:
        uid: the user's id.
        gid: the id of the user's first group.
        groups: the ids of all groups of the user.
        name: the user's name.
        home: the user's folder.
    """

    uid: int
    gid: int
    groups: tuple[int, ...]
    name: str
    home: str


def person(name: str) -> Person:
    """Look up a user.

    Raises:
        LookupError: there is no such user, or this process may not take it on. The text says which,
            and what to do.
    """
    import pwd

    try:
        found = pwd.getpwnam(name)
    except KeyError:
        raise LookupError(f"there is no user {name} on this machine: make one, or change User") from None
    if os.getuid() not in (0, found.pw_uid):
        raise LookupError(f"only root can start kernels as user {name}: start the host as root, or leave User out")
    groups = os.getgrouplist(found.pw_name, found.pw_gid)
    return Person(found.pw_uid, found.pw_gid, tuple(groups), found.pw_name, found.pw_dir)


class Confinement(NamedTuple):
    """What one kernel's process has. JSON can carry it.

    Attributes:
        mark: the kernel's mark (:mod:`kernelbus.kernelhost.process.tree`); "": it is no kernel.
        folder: the folder it runs in; "": that of the process that starts it.
        environment: what its environment has beside the variables that are passed on.
        user: the user that it runs as; None: that of the process that starts it.
        limits: the resources that have a limit (:mod:`resource`), with the limit of each.
        group: the file that lets a process into the kernel's control group
            (:mod:`kernelbus.kernelhost.process.cgroups`); "": it has none.
    """

    mark: str = ""
    folder: str = ""
    environment: Mapping[str, str] = {}
    user: Person | None = None
    limits: tuple[tuple[int, int], ...] = ()
    group: str = ""

    @classmethod
    def read(cls, fields: list[Any]) -> Confinement:
        """Return the confinement that `list(confinement)` became in JSON."""
        mark, folder, environment, user, limits, group = fields
        who = None if user is None else Person(user[0], user[1], tuple(user[2]), user[3], user[4])
        return cls(mark, folder, environment, who, tuple((kind, most) for kind, most in limits), group)

    def variables(self) -> dict[str, str]:
        """Return the environment of the kernel's process, as far as this decides it."""
        own = {"HOME": self.user.home, "USER": self.user.name, "LOGNAME": self.user.name} if self.user is not None else {}
        return {**own, **self.environment, **({MARK: self.mark} if self.mark else {})}

    def enter(self) -> None:
        """Let all of it but the environment hold for this process. Runs in the child, after a fork.

        Raises:
            OSError: the folder cannot be entered, or the user not taken on.
        """
        if self.mark:
            become_reaper()
        if self.group:
            # Without its group it is a kernel still.
            with contextlib.suppress(OSError), open(self.group, "w", encoding="ascii") as file:
                file.write("0")
        for kind, most in self.limits:
            _, hard = resource.getrlimit(kind)
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (most, most))
        if self.user is not None and self.user.uid != os.getuid():
            os.setgroups(self.user.groups)
            os.setgid(self.user.gid)
            os.setuid(self.user.uid)
        if self.folder:
            os.chdir(self.folder)


def passed_on(environment: Mapping[str, str], given: Mapping[str, str | bool]) -> dict[str, str]:
    """Return the part of an environment that kernels get.

    Args:
        environment: the server's.
        given: what the pool says: a value, True for the server's value, False for none.
    """
    kept = {name: value for name, value in environment.items() if name in PASSED_ON or name.startswith(_PASSED_PREFIXES)}
    for name, value in given.items():
        if value is False:
            kept.pop(name, None)
        elif value is not True:
            kept[name] = str(value)
        elif name in environment:
            kept[name] = environment[name]
    return kept


def confinement_of(
    pool: PoolConfig, mark: str, folder: str, user: Person | None, environment: Mapping[str, str]
) -> Confinement:
    """Return what a kernel of a pool gets.

    Args:
        pool: the configuration.
        mark: the kernel's mark.
        folder: the folder that it runs in.
        user: the user that it runs as; None: the server's.
        environment: the server's environment.
    """
    limits = tuple((kind, most) for key, kind in _LIMITS.items() if (most := getattr(pool, key)) is not None)
    return Confinement(mark, folder, passed_on(environment, dict(pool.environment)), user, limits)
