"""Ask a server how a kernel ended: `Exit[3]` in a script is the script's exit status."""

from __future__ import annotations

import re
import time

from kernelbus.shell.address import Address
from kernelbus.shell.clients.presence import find_kernel
from kernelbus.shell.clients.session import KernelRefused, Session, SessionError, reconnect_command

__all__ = ["ending", "exit_status", "how_it_ended"]

#: Seconds that a server has to notice that a process has ended.
_SECONDS = 3.0
_PAUSE = 0.05
#: As :func:`kernelbus.kernelhost.process.starting.how_it_ended` words it.
_EXITED = re.compile(r"exited with status (\d+)\b(?!; it said last)")


#: As kernelbus.bus.broker.sessions.SessionTable.why_gone begins.
_AGO = re.compile(r"\Akernel \S+ (?:has ended|was lost) \d[\w.]*(?: \w+)? ago: ")


def exit_status(how: str) -> int | None:
    """Return the exit status in a server's words; None: the kernel did not end by itself, or said
    why.
    """
    found = _EXITED.search(how)
    return None if found is None else int(found[1])


def ending(how: str) -> str:
    """Return what a server says of how a kernel ended as a clause; "": it does not say.

    A kernel that has left by itself has done so because the code told it to.
    """
    status = exit_status(how)
    if status is not None:
        return f"the kernel has quit with status {status}, as Exit[{status}] has it" if status else "the kernel has quit, as Quit[] has it"
    told = _AGO.sub("", how)
    if not told:
        return ""
    return f"the kernel {told}" if told.partition(" ")[0] in ("was", "had", "exited") else f"the kernel has ended: {told}"


def how_it_ended(address: Address, kernel: str, token: str = "", *, seconds: float = _SECONDS) -> str:
    """Return in the server's words how a kernel ended; "": the server does not say.

    Args:
        address: the server.
        kernel: the kernel's id.
        token: what is given to a server that wants its token first.
        seconds: how long to wait for an answer.
    """
    deadline = time.monotonic() + seconds
    try:
        # A request for a kernel that is still there would attach it.
        while find_kernel(address, kernel, token) is not None:
            if time.monotonic() >= deadline:
                return ""
            time.sleep(_PAUSE)
        with Session(address, reconnect_command(kernel), token=token, timeout=seconds) as session:
            # The server replaces kernels that are gone.
            session.command("CloseKernel")
            session.wait_for(session.kernel)
    except KernelRefused as refused:
        return refused.reason
    except SessionError:
        pass  # the caller says that the link is gone
    return ""
