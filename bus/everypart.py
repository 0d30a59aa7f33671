"""Carries out what an administrator orders of every part alike: of the broker's own process, of
frontends and of hosts.
"""

from __future__ import annotations

from kernelbus.bus.protocol.orders import LogLevelOrder, PartAnswer, ReloadOrder
from kernelbus.bus.settings.config import ConfigError
from kernelbus.bus.settings.logs import set_level
from kernelbus.bus.settings.reload import Reloader

__all__ = ["carry_out"]


def carry_out(order: ReloadOrder | LogLevelOrder, reloader: Reloader) -> PartAnswer:
    """Carry out `order` and give the answer to it.

    Args:
        reloader: of the part that it is for.
    """
    match order:
        case ReloadOrder(request):
            ok, lines = reloader.reload()
            return PartAnswer(request, ok, "" if ok else "configuration", lines)
        case LogLevelOrder(request, _, level):
            try:
                set_level(level)
            except ConfigError as error:
                return PartAnswer(request, False, "level", [str(error)])
            return PartAnswer(request, True)
