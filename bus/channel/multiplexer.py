"""Channels over a transport: the I/O shell around :class:`kernelbus.bus.channel.channel.Channel`.

Every operation on a :class:`ChannelHandle` passes the channel's frames to the transport at once and
its events to the owner. One timer of the event loop serves all channels, however many there are.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from kernelbus.bus.channel.channel import Channel, ChannelOptions, EndReason, Event
from kernelbus.bus.channel.frames import Frame, Kind
from kernelbus.bus.errors import ChannelViolation

__all__ = ["ChannelHandle", "ChannelOwner", "Multiplexer"]

_log = logging.getLogger("kernelbus.bus")


class ChannelOwner(Protocol):
    """Receives the events of a channel."""

    def channel_event(self, event: Event) -> None:
        """Handle an event of the channel."""

    def channel_closed(self) -> None:
        """Handle the end of the channel: both ends have ended, or it was dropped as broken.

        Its handle cannot be used any more.
        """


class ChannelHandle:
    """One end of a channel, joined to its transport."""

    def __init__(self, multiplexer: Multiplexer, channel: Channel, owner: ChannelOwner) -> None:
        self._multiplexer = multiplexer
        self.channel = channel
        self._owner = owner
        self._pumping = False
        self._again = False

    @property
    def writable(self) -> bool:
        """See :attr:`kernelbus.bus.channel.channel.Channel.writable`."""
        return self.channel.writable

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """See :meth:`kernelbus.bus.channel.channel.Channel.send`."""
        self.channel.send(data)
        self.pump()

    def send_all(self, pieces: Iterable[bytes | bytearray | memoryview]) -> None:
        """Send `pieces` one after the other, small ones in one frame."""
        for data in pieces:
            self.channel.send(data)
        self.pump()

    def send_urgent(self, code: int, parameter: int) -> None:
        """See :meth:`kernelbus.bus.channel.channel.Channel.send_urgent`."""
        self.channel.send_urgent(code, parameter)
        self.pump()

    def end(self, reason: EndReason, text: str = "", taken: int | None = None) -> None:
        """See :meth:`kernelbus.bus.channel.channel.Channel.end`."""
        self.channel.end(reason, text, taken)
        self.pump()

    def consume(self, count: int) -> None:
        """See :meth:`kernelbus.bus.channel.channel.Channel.consume`."""
        self.channel.consume(count)
        self.pump()

    def drop(self) -> None:
        """Forget the channel without telling the peer; the owner receives nothing more."""
        self._multiplexer.remove(self)

    def pump(self) -> None:
        """Pass frames to the transport and events to the owner until there are no more."""
        if self._pumping:
            # The owner used the channel while it handled an event: there may be more to pass on.
            self._again = True
            return
        self._pumping = True
        try:
            multiplexer, channel = self._multiplexer, self.channel
            while True:
                self._again = False
                for frame in channel.frames_to_send(multiplexer.now()):
                    multiplexer.transmit(frame)
                for event in channel.events():
                    if not multiplexer.has(self):
                        return
                    self._owner.channel_event(event)
                    self._again = True
                if not self._again:
                    break
        finally:
            self._pumping = False
        deadline = channel.deadline()
        if deadline is not None and multiplexer.has(self):
            multiplexer.arm(self, deadline)
        if channel.closed and multiplexer.remove(self):
            self._owner.channel_closed()


class Multiplexer:
    """All channels of one part.

    Args:
        transmit: sends a frame to the broker.
        options: of the channels opened here.
    """

    def __init__(self, transmit: Callable[[Frame], None], options: ChannelOptions) -> None:
        self.transmit = transmit
        self.options = options
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self._handles: dict[int, ChannelHandle] = {}
        self._armed: dict[ChannelHandle, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._fires_at = 0.0

    def open(self, channel: int, owner: ChannelOwner) -> ChannelHandle:
        """Create this side's end of channel number `channel`."""
        handle = ChannelHandle(self, Channel(channel, self.options), owner)
        self._handles[channel] = handle
        return handle

    def receive(self, frame: Frame) -> None:
        """Pass a frame from the transport to its channel; answer an unknown channel with RESET."""
        handle = self._handles.get(frame.channel)
        if handle is None:
            if frame.kind in (Kind.DATA, Kind.END, Kind.PROBE, Kind.URGENT):
                self.transmit(Frame(Kind.RESET, frame.channel))
            return
        try:
            handle.channel.receive(frame)
        except ChannelViolation as error:
            _log.error("%s; the channel is dropped", error)
            reset = Frame(Kind.RESET, frame.channel)
            self.transmit(reset)
            # The owner first gets the events from before the violation, then the one it would get
            # if the peer had reset the channel.
            handle.channel.receive(reset)
        handle.pump()

    def resume(self, unopened: Collection[int] = ()) -> None:
        """Have every channel find out what was lost: the transport is back after a break.

        Args:
            unopened: channels that are being asked for. Nothing was sent on them, and a broker that
                hears of one before it has the request would answer that there is none.
        """
        for number, handle in list(self._handles.items()):
            if number not in unopened:
                handle.channel.resume()
                handle.pump()

    @property
    def channels(self) -> list[int]:
        """The numbers of the channels that are not forgotten: open, or awaiting their end."""
        return list(self._handles)

    def has(self, handle: ChannelHandle) -> bool:
        """Whether the channel of `handle` is not forgotten yet."""
        return self._handles.get(handle.channel.channel) is handle

    def remove(self, handle: ChannelHandle) -> bool:
        """Forget a channel; return False if it was forgotten already."""
        self._armed.pop(handle, None)
        if not self.has(handle):
            return False
        del self._handles[handle.channel.channel]
        return True

    def close(self) -> None:
        """Forget all channels and stop the timer."""
        self._handles.clear()
        self._armed.clear()
        if self._timer is not None:
            self._timer.cancel()

    def arm(self, handle: ChannelHandle, deadline: float) -> None:
        """Call the channel's `handle_timeout` at `deadline` (the loop's clock) or earlier."""
        self._armed[handle] = deadline
        if self._timer is not None and not self._timer.cancelled():
            if deadline >= self._fires_at - 0.001:
                return
            self._timer.cancel()
        self._wake_at(deadline)

    def _wake_at(self, deadline: float) -> None:
        # Kept here because the timer that uvloop returns for a past time has no `when`.
        self._fires_at = deadline
        self._timer = self._loop.call_at(deadline, self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = self.now()
        due = [handle for handle, deadline in self._armed.items() if deadline <= now + 0.001]
        for handle in due:
            self._armed.pop(handle, None)
            if self.has(handle):
                handle.channel.handle_timeout(now + 0.001)
                handle.pump()
        if self._armed and self._timer is None:
            self._wake_at(min(self._armed.values()))
