"""The admin shell in this process, over a broker that only records requests."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, cast

from statuses import STATUS

from kernelbus.bus.client import AdminClient, OrderRefused
from kernelbus.bus.errors import BusError
from kernelbus.bus.protocol.orders import Answer, Order
from kernelbus.bus.protocol.reports import Status, Story, StoryEvent
from kernelbus.shell.admin.app import AdminShell, run_lines
from kernelbus.shell.admin.names import Names

__all__ = ["Broker"]


class Broker:
    """Stands in for the client of a broker.

    Attributes:
        current: the status that it gives.
        answer: how it answers an order.
        fault: raised instead of any answer; None: none.
        asked: the options of each request for the status.
        orders: what was ordered.
        shell: the shell over it.
    """

    endpoint = "tcp://127.0.0.1:5"

    def __init__(self, *, interactive: bool = False, yes: bool = False) -> None:
        self.current: Status = STATUS
        self.answer: Callable[[Order], Answer] = lambda order: Answer(1, True, lines=["done so"])
        self.fault: BusError | None = None
        self.asked: list[dict[str, Any]] = []
        self.orders: list[Order] = []
        client = cast(AdminClient, self)
        self._out, self._err = io.StringIO(), io.StringIO()
        self.shell = AdminShell(client, Names(client), interactive=False, yes=yes, stdout=self._out)
        # Only now: an interactive shell would read the user's history when it is made.
        self.shell.interactive = interactive

    def run(self, *lines: str, outcome: int = 0) -> tuple[str, str]:
        """Run lines, and return what was written and what went wrong."""
        errors: list[str] = []
        self.shell.perror = lambda text, **_: errors.append(str(text))  # type: ignore[method-assign]
        assert run_lines(self.shell, lines) == outcome, (self._out.getvalue(), errors)
        written = self._out.getvalue()
        self._out.seek(0)
        self._out.truncate()
        return written, "\n".join(errors)

    def status(self, *, links: bool = False, over: bool = False) -> Status:
        """See :meth:`AdminClient.status`."""
        self.asked.append({"links": links, "over": over})
        if self.fault is not None:
            raise self.fault
        return self.current

    def story(self, kernel: str) -> Story:
        """See :meth:`AdminClient.story`."""
        return Story(1, kernel, [StoryEvent(0.0, "it was started")])

    def order(self, order: Order) -> Answer:
        """See :meth:`AdminClient.order`."""
        self.orders.append(order)
        answer = self.answer(order)
        if not answer.ok:
            raise OrderRefused(answer)
        return answer
