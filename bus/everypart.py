"""Carry out the orders that an administrator gives to every part alike.

The broker's own process, frontends and kernel hosts all use it.
"""

from __future__ import annotations

from kernelbus.bus.protocol.orders import LogLevelOrder, PartAnswer, ReloadOrder
from kernelbus.bus.settings.config import ConfigError
from kernelbus.bus.settings.logs import set_level
from kernelbus.bus.settings.reload import Reloader

__all__ = ["carry_out"]


def carry_out(order: ReloadOrder | LogLevelOrder, reloader: Reloader) -> PartAnswer:
    """Carry out `order` in this process and return the answer to it.

    Args:
        reloader: of this part; it reads the configuration again.
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
