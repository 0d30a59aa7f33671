"""`kernelbus connect`: attach a kernel for later, print how to reach it, and leave; or end one."""

from __future__ import annotations

from kernelbus.shell.clients.choice import Choice
from kernelbus.shell.clients.profile import ProfileError
from kernelbus.shell.clients.session import SessionError, kept_for
from kernelbus.shell.exits import INTERRUPTED, UNUSABLE
from kernelbus.shell.terminal import complain
from kernelbus.shell.token import TokenError

__all__ = ["run_connect"]


def run_connect(choice: Choice, *, quiet: bool = False, close_kernel: bool = False) -> int:
    """Attach the kernel, print its id and how to reach it, and leave it; or end it.

    Args:
        choice: which kernel.
        quiet: print the id alone.
        close_kernel: end the kernel.

    Returns:
        The exit status: 0; 2: no server, or no kernel from it; 130: interrupted.
    """
    if close_kernel and not choice.kernel and not (choice.resume and not choice.start):
        return _complain("--close-kernel ends a kernel that is there: say which with --kernel-id or --continue-profile")
    try:
        attachment = choice.attach(keep=True, resume=True, on_wait=_say_waiting)
    except (SessionError, ProfileError, TokenError) as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    if attachment.notice:
        _complain(attachment.notice)
    session = attachment.session
    if close_kernel:
        with session:
            session.command("CloseKernel")
            session.wait_for(session.kernel)
        if not quiet:
            print(f"kernel  {session.kernel} is ended")
        return 0
    kept = "" if quiet else kept_for(session.describe())
    # Dropped and not closed: output that came meanwhile then counts as missed, and the next client
    # gets it.
    session.link.abort()
    if quiet:
        print(session.kernel)
        return 0
    print(f"kernel  {session.kernel}")
    print(f"pool    {session.pool}")
    print(f"server  {session.address.place}")
    if attachment.file is not None:
        print(f"profile {attachment.file}")
    print(f"use it  {attachment.way_back('repl')}")
    if kept:
        print(f"kept    {kept}")
    return 0


def _say_waiting(why: str) -> None:
    _complain(f"waiting for a kernel: {why}")


def _complain(text: str) -> int:
    complain("kernelbus connect", " ".join(text.split()))
    return UNUSABLE
