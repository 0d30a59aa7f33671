"""The reliable channel: one end of the two-way path between a client's link and its kernel.

This module holds no socket, clock or randomness; time is an argument. Whatever a frame carries, the
application at the other end receives each byte once and in order; each urgent message once and in
order, with the data offset at which it was sent; and one end, after everything that was sent before
it.

The channel tolerates frames that are lost, repeated, delayed, reordered or cut off for a time, on
either lane. It does not detect a peer that is gone for good: the broker reports that, and the owner
drops the channel.

A channel is one attachment of one link to one kernel. The header carries the channel's number,
chosen at random by the frontend, and not a session's: a session may have many attachments, and a
number for each keeps frames of an earlier attachment from being taken for a later one's.

Ordered frames are numbered. The receiver accepts only the next number and acknowledges
cumulatively, on any frame that goes the other way or after `acknowledge_delay` (20 ms). A sender
keeps frames until they are acknowledged, and never has more than the peer's window (8 MiB) of bytes
beyond what the peer's application has consumed. So memory is bounded by the number of sessions
times the window, and a slow client stops its own kernel and no other. A sender that is `paced`
sends less to a reader that is slow (:mod:`kernelbus.bus.channel.pace`).

Nothing is sent again on suspicion. After a silence the sender *probes*. The answer names the next
frame awaited; what was sent before the probe and is not acknowledged by its answer was lost. This
is exact on a lane that keeps order; on any other it can repeat frames without need, and the
receiver drops them. After a break of the transport :meth:`Channel.resume` probes at once.

Urgent frames are numbered apart, travel on the control lane, and are repeated until they are
acknowledged: they are small and few. An end (`END`) closes one direction after everything before
it.
"""

from __future__ import annotations

import struct
from collections import deque
from enum import Enum, IntEnum
from typing import Final, NamedTuple

from kernelbus.bus.channel.frames import Flag, Frame, Kind
from kernelbus.bus.channel.pace import Pace
from kernelbus.bus.errors import ChannelUsageError, ChannelViolation

__all__ = [
    "TRANSITIONS",
    "Channel",
    "ChannelOptions",
    "ChannelState",
    "Data",
    "EndReason",
    "Ended",
    "Event",
    "Reset",
    "Trigger",
    "Urgent",
    "Writable",
]

#: Pieces at least this large become frames without being copied; smaller ones are joined.
NO_COPY = 64 * 1024
#: A well-behaved program never has more urgent messages than this unacknowledged.
URGENT_BACKLOG = 1024

_URGENT = struct.Struct("<ii")
_END = struct.Struct("<BQ")
#: Stands for a number of bytes that is not known.
_UNKNOWN = 2**64 - 1


class ChannelState(Enum):
    """The state of one end.

    CLOSED: both ends have ended and ours is acknowledged. RESET: the peer does not know the
    channel.
    """

    OPEN = "open"
    ENDED_LOCALLY = "ended locally"
    ENDED_REMOTELY = "ended remotely"
    ENDED = "ended"
    CLOSED = "closed"
    RESET = "reset"


class Trigger(Enum):
    """What changes the state of an end."""

    LOCAL_END = "local end"
    REMOTE_END = "remote end"
    ACKNOWLEDGED = "all acknowledged"
    RESET = "reset"


_S, _T = ChannelState, Trigger
#: The state that follows each state on a trigger; a trigger that is missing changes nothing.
TRANSITIONS: Final[dict[tuple[ChannelState, Trigger], ChannelState]] = {
    (_S.OPEN, _T.LOCAL_END): _S.ENDED_LOCALLY,
    (_S.OPEN, _T.REMOTE_END): _S.ENDED_REMOTELY,
    (_S.OPEN, _T.RESET): _S.RESET,
    (_S.ENDED_LOCALLY, _T.REMOTE_END): _S.ENDED,
    (_S.ENDED_LOCALLY, _T.ACKNOWLEDGED): _S.ENDED_LOCALLY,
    # A peer that forgot the channel has closed it: our end was delivered, or it no longer matters.
    (_S.ENDED_LOCALLY, _T.RESET): _S.CLOSED,
    (_S.ENDED_REMOTELY, _T.LOCAL_END): _S.ENDED,
    (_S.ENDED_REMOTELY, _T.RESET): _S.RESET,
    (_S.ENDED, _T.ACKNOWLEDGED): _S.CLOSED,
    (_S.ENDED, _T.RESET): _S.CLOSED,
}


class EndReason(IntEnum):
    """Why a stream ended."""

    CLIENT_CLOSED = 1  #: the client sent message 9
    CLIENT_LOST = 2  #: the client's connection broke without message 9
    KERNEL_ENDED = 3  #: the kernel process ended (after all its output)
    DETACHED = 4  #: the attachment was given up, by either side
    REFUSED = 5  #: a limit or rule was broken; the text says which
    ANSWER = 6  #: this end answers the peer's end
    CLOSE_KERNEL = 7  #: the client has finished with the kernel, which must end
    UNUSED = 8  #: the client wants another kernel and has sent this one nothing


class ChannelOptions(NamedTuple):
    """The options of a channel: sizes in bytes, times in seconds."""

    window: int = 8 * 2**20  #: how far the peer may send beyond what was consumed here
    chunk: int = 2**20  #: the largest frame payload
    backlog: int = 2**20  #: `writable` is false while more than this waits for the window
    acknowledge_delay: float = 0.02
    probe_delay: float = 1.0
    probe_delay_limit: float = 8.0
    paced: bool = False  #: `writable` is false as well while much is under way to a slow reader


class Data(NamedTuple):
    """Bytes of the peer's stream, from `offset` on.

    The application must call :meth:`Channel.consume` for them when they have left.
    """

    offset: int
    payload: bytes | bytearray | memoryview


class Urgent(NamedTuple):
    """A WSTP message (PROTOCOL.md section 6), sent when the peer's stream had `offset` bytes."""

    offset: int
    code: int
    parameter: int


class Ended(NamedTuple):
    """The peer's stream ended, after everything before it was delivered.

    Attributes:
        taken: how many bytes of our stream the peer's client has taken, as nearly as can be known;
            None if the peer does not know.
    """

    reason: EndReason
    text: str
    taken: int | None = None


class Reset(NamedTuple):
    """The peer does not know this channel, or no longer knows it."""


class Writable(NamedTuple):
    """`writable` has become true again."""


Event = Data | Urgent | Ended | Reset | Writable


class _Sent(NamedTuple):
    kind: Kind
    sequence: int
    offset: int
    payload: bytes | bytearray | memoryview


class Channel:
    """One end of a channel.

    The owner calls :meth:`send`, :meth:`send_urgent`, :meth:`end`, :meth:`consume` and
    :meth:`receive`. After any of them it takes :meth:`frames_to_send` to the transport and
    :meth:`events` to the application. It calls :meth:`handle_timeout` when :meth:`deadline` has
    passed.
    """

    def __init__(self, channel: int, options: ChannelOptions | None = None) -> None:
        self.channel = channel
        self.options = options or ChannelOptions()
        self.state = ChannelState.OPEN
        #: Whether nothing more can happen; the owner may then forget the channel.
        self.closed = False
        self._events: list[Event] = []
        # -- sending
        self._pending: deque[bytes | bytearray | memoryview] = deque()
        self._pending_bytes = 0
        self._accepted = 0
        self._next_sequence = 1
        self._next_offset = 0
        self._in_flight: deque[_Sent] = deque()
        self._peer_acknowledged = 1
        self._peer_limit = self.options.window
        self._end: tuple[EndReason, str, int] | None = None
        self._end_framed = False
        self._was_writable = True
        self._pace = Pace() if self.options.paced else None
        self._repeat: list[_Sent] = []
        self._urgent_out: deque[_Sent] = deque()
        self._urgent_new: list[_Sent] = []
        self._next_urgent = 1
        self._probe_at: float | None = None
        self._probe_wait = self.options.probe_delay
        self._probe_now = False
        # -- receiving
        self._expected = 1
        self._urgent_expected = 1
        self._received = 0
        self._consumed = 0
        self._advertised = 0
        self._owes_acknowledgement = False
        self._acknowledge_now = False
        self._acknowledge_at: float | None = None
        self._gap_reported = 0
        self._report_gap = False
        self._reply_to: int | None = None

    # ------------------------------------------------------------------ the application's side

    @property
    def writable(self) -> bool:
        """Whether the application should send more now.

        False while the peer's window is closed and the backlog is full, while enough is under way
        to a slow reader, and after :meth:`end`.
        """
        if self._pace is not None and self._accepted - self.peer_consumed >= self._pace.allowed:
            return False
        return self._pending_bytes <= self.options.backlog and self._end is None

    @property
    def accepted(self) -> int:
        """The number of bytes that the application has sent in this direction."""
        return self._accepted

    @property
    def peer_consumed(self) -> int:
        """The number of bytes of our stream that the peer has reported as consumed."""
        return self._peer_limit - self.options.window

    @property
    def in_flight(self) -> int:
        """The number of bytes held: not acknowledged by the peer, or beyond its window."""
        return self._pending_bytes + sum(len(sent.payload) for sent in self._in_flight)

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Append `data` to the stream.

        The buffer is kept, not copied: it must not change afterwards.

        Raises:
            ChannelUsageError: after :meth:`end`.
        """
        if self._end is not None:
            raise ChannelUsageError(f"channel {self.channel:x}: data after the end")
        if len(data):
            self._pending.append(data)
            self._pending_bytes += len(data)
            self._accepted += len(data)
            if not self.writable:
                # A caller that sees this state, even only until the next frames are cut, may wait
                # for Writable.
                self._was_writable = False

    def send_urgent(self, code: int, parameter: int) -> None:
        """Send a WSTP message that overtakes data, marked with the present offset.

        Raises:
            ChannelUsageError: after :meth:`end`, or when 1024 messages wait unacknowledged.
        """
        if self._end is not None:
            raise ChannelUsageError(f"channel {self.channel:x}: message {code} after the end")
        if len(self._urgent_out) >= URGENT_BACKLOG:
            raise ChannelUsageError(f"channel {self.channel:x}: {URGENT_BACKLOG} messages wait unacknowledged")
        sent = _Sent(Kind.URGENT, self._next_urgent, self._accepted, _URGENT.pack(code, parameter))
        self._next_urgent += 1
        self._urgent_out.append(sent)
        self._urgent_new.append(sent)

    def repeats(self, code: int, parameter: int) -> bool:
        """Whether this message would say nothing new.

        The last one that was sent is the same, from the same offset, and is not acknowledged yet.
        """
        last = self._urgent_out[-1] if self._urgent_out else None
        return last is not None and last.offset == self._accepted and last.payload == _URGENT.pack(code, parameter)

    def end(self, reason: EndReason, text: str = "", taken: int | None = None) -> None:
        """End our stream after what was sent so far; a second call does nothing.

        Args:
            taken: how many bytes of the peer's stream reached their reader, where that is known
                better than by :meth:`consume`.
        """
        if self._end is None and not self.closed:
            self._end = (reason, text, _UNKNOWN if taken is None else taken)
            self._change(Trigger.LOCAL_END)

    def abandon_pending(self) -> None:
        """Drop what is not in a frame yet: for an owner about to end, whose reader is gone."""
        self._pending.clear()
        self._accepted -= self._pending_bytes
        self._pending_bytes = 0

    def consume(self, count: int) -> None:
        """Count `count` more received bytes as gone for good, so that the peer may send as many."""
        self._consumed += count
        if self._consumed > self._received:
            raise ChannelUsageError(f"channel {self.channel:x}: {self._consumed} bytes consumed of {self._received} received")
        if self._consumed - self._advertised >= self.options.window // 4:
            self._owes_acknowledgement = self._acknowledge_now = True
        elif count:
            self._owes_acknowledgement = True

    def events(self) -> list[Event]:
        """Return the events since the last call, in order, and forget them."""
        if self.writable and not self._was_writable:
            self._events.append(Writable())
        self._was_writable = self.writable or self._end is not None
        events, self._events = self._events, []
        return events

    # ------------------------------------------------------------------ the network's side

    def receive(self, frame: Frame) -> None:
        """Process a frame of this channel from the transport.

        Raises:
            ChannelViolation: the peer broke the rules; the channel cannot be used any more.
        """
        if self.closed:
            return
        kind = frame.kind
        if kind == Kind.RESET:
            if self._change(Trigger.RESET) is ChannelState.RESET:
                self._events.append(Reset())
            return
        self._take_acknowledgement(frame)
        if kind == Kind.DATA or kind == Kind.END:
            self._take_ordered(frame)
        elif kind == Kind.URGENT:
            self._take_urgent(frame)
        elif kind == Kind.PROBE:
            self._owes_acknowledgement = self._acknowledge_now = True
            self._reply_to = frame.sequence
        elif kind != Kind.ACKNOWLEDGE:
            raise ChannelViolation(f"channel {self.channel:x}: a frame of kind {kind}")

    def resume(self) -> None:
        """Probe at once for what was lost: the transport is back after a break."""
        self._probe_now = True
        self._probe_wait = self.options.probe_delay
        self._urgent_new = list(self._urgent_out)

    def frames_to_send(self, now: float) -> list[Frame]:
        """Return the frames that are due at `now`, in the order in which they must be sent."""
        if self._pace is not None:
            self._pace.note(self._accepted, self.peer_consumed, now)
        frames: list[Frame] = []
        for sent in self._urgent_new:
            frames.append(self._frame(sent))
        self._urgent_new = []
        if self._report_gap or self._reply_to is not None:
            # The report goes first, so that the peer learns of the gap before anything else. It is
            # a frame of its own because it carries flags.
            flags = (Flag.GAP if self._report_gap else Flag.NONE) | (Flag.REPLY if self._reply_to is not None else Flag.NONE)
            frames.append(self._acknowledgement(self._reply_to or 0, int(flags)))
            self._report_gap, self._reply_to = False, None
        for sent in self._repeat:
            frames.append(self._frame(sent))
        self._repeat = []
        self._cut(frames)
        if self._probe_now:
            self._probe_now = False
            frames.append(self._frame(_Sent(Kind.PROBE, self._next_sequence, self._next_offset, b"")))
            self._probe_at = now + self._probe_wait if self._awaits_peer() else None
        if frames:
            self._owes_acknowledgement = self._acknowledge_now = False
            self._acknowledge_at = None
        elif self._acknowledge_now:
            frames.append(self._acknowledgement(0, 0))
        elif self._owes_acknowledgement and self._acknowledge_at is None:
            self._acknowledge_at = now + self.options.acknowledge_delay
        if self._probe_at is None and self._awaits_peer():
            self._probe_at = now + self._probe_wait
        return frames

    def deadline(self) -> float | None:
        """Return when :meth:`handle_timeout` is next due, on the clock of `now`.

        None if nothing is due before something happens.
        """
        if self._acknowledge_at is None:
            return self._probe_at
        if self._probe_at is None:
            return self._acknowledge_at
        return min(self._acknowledge_at, self._probe_at)

    def handle_timeout(self, now: float) -> None:
        """Do what is due at `now`; call :meth:`frames_to_send` afterwards."""
        if self._acknowledge_at is not None and now >= self._acknowledge_at:
            self._acknowledge_at = None
            if self._owes_acknowledgement:
                self._acknowledge_now = True
        if self._probe_at is not None and now >= self._probe_at:
            self._probe_at = None
            if self._awaits_peer() and not self.closed:
                self._probe_wait = min(self._probe_wait * 2, self.options.probe_delay_limit)
                self._probe_now = True
                self._urgent_new = list(self._urgent_out)

    # ------------------------------------------------------------------ inside

    def _change(self, trigger: Trigger) -> ChannelState:
        self.state = TRANSITIONS.get((self.state, trigger), self.state)
        self.closed = self.state in (ChannelState.CLOSED, ChannelState.RESET)
        if self.closed:
            self._pending.clear()
            self._in_flight.clear()
            self._urgent_out.clear()
            self._repeat = []
            self._urgent_new = []
            self._pending_bytes = 0
            self._probe_at = None
            self._probe_now = False
        return self.state

    def _awaits_peer(self) -> bool:
        return bool(self._in_flight or self._pending_bytes or self._urgent_out)

    def _frame(self, sent: _Sent) -> Frame:
        self._advertised = self._consumed
        return Frame(
            sent.kind,
            self.channel,
            sent.sequence,
            sent.offset,
            self._expected,
            self._urgent_expected,
            self._consumed,
            0,
            sent.payload,
        )

    def _acknowledgement(self, sequence: int, flags: int) -> Frame:
        self._owes_acknowledgement = self._acknowledge_now = False
        self._acknowledge_at = None
        return self._frame(_Sent(Kind.ACKNOWLEDGE, sequence, 0, b""))._replace(flags=flags)

    def _cut(self, frames: list[Frame]) -> None:
        """Cut pending bytes into frames as far as the window allows; add the end if it is due."""
        while self._pending and self._next_offset < self._peer_limit:
            payload = self._next_payload(min(self.options.chunk, self._peer_limit - self._next_offset))
            sent = _Sent(Kind.DATA, self._next_sequence, self._next_offset, payload)
            self._next_sequence += 1
            self._next_offset += len(payload)
            self._pending_bytes -= len(payload)
            self._in_flight.append(sent)
            frames.append(self._frame(sent))
        # The end waits for urgent messages: they travel on the other lane, where it could overtake
        # them.
        if self._end is not None and not self._end_framed and not self._pending and not self._urgent_out:
            reason, text, taken = self._end
            sent = _Sent(Kind.END, self._next_sequence, self._next_offset, _END.pack(reason, taken) + text.encode())
            self._next_sequence += 1
            self._end_framed = True
            self._in_flight.append(sent)
            frames.append(self._frame(sent))

    def _next_payload(self, room: int) -> bytes | bytearray | memoryview:
        first = self._pending[0]
        if len(first) <= room and (len(self._pending) == 1 or len(first) >= NO_COPY):
            return self._pending.popleft()
        if len(first) > room:
            view = memoryview(first)
            self._pending[0] = view[room:]
            return view[:room]
        pieces: list[bytes | bytearray | memoryview] = []
        while self._pending and len(self._pending[0]) < NO_COPY and room >= len(self._pending[0]):
            piece = self._pending.popleft()
            room -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def _take_acknowledgement(self, frame: Frame) -> None:
        if frame.acknowledged > self._next_sequence or frame.urgent_acknowledged > self._next_urgent:
            raise ChannelViolation(f"channel {self.channel:x}: frame {frame.acknowledged - 1} acknowledged, which was never sent")
        if frame.consumed > self._next_offset:
            raise ChannelViolation(f"channel {self.channel:x}: {frame.consumed} bytes consumed of {self._next_offset} sent")
        progress = False
        while self._urgent_out and self._urgent_out[0].sequence < frame.urgent_acknowledged:
            self._urgent_out.popleft()
            progress = True
        while self._in_flight and self._in_flight[0].sequence < frame.acknowledged:
            self._in_flight.popleft()
            progress = True
        if frame.acknowledged > self._peer_acknowledged:
            self._peer_acknowledged = frame.acknowledged
        limit = frame.consumed + self.options.window
        if limit > self._peer_limit:
            self._peer_limit = limit
            progress = True
        if frame.flags and self._in_flight:
            lost_before = frame.sequence if frame.flags & Flag.REPLY else self._next_sequence
            if frame.acknowledged == self._peer_acknowledged < lost_before:
                self._repeat = [sent for sent in self._in_flight if sent.sequence < lost_before]
        elif self._repeat:
            self._repeat = [sent for sent in self._repeat if sent.sequence >= frame.acknowledged]
        if progress:
            self._probe_wait = self.options.probe_delay
            self._probe_at = None
        if self._end_framed and not self._in_flight:
            self._change(Trigger.ACKNOWLEDGED)

    def _take_ordered(self, frame: Frame) -> None:
        if frame.sequence != self._expected:
            self._owes_acknowledgement = True
            if frame.sequence > self._expected and self._gap_reported != self._expected:
                # Report each missing frame once: the repetition starts there and brings all that
                # follows.
                self._gap_reported = self._expected
                self._report_gap = True
            return
        if frame.offset != self._received:
            raise ChannelViolation(f"channel {self.channel:x}: frame {frame.sequence} at byte {frame.offset} instead of {self._received}")
        if self.state in (ChannelState.ENDED_REMOTELY, ChannelState.ENDED):
            raise ChannelViolation(f"channel {self.channel:x}: frame {frame.sequence} after the end")
        self._expected += 1
        self._owes_acknowledgement = True
        if frame.kind == Kind.DATA:
            size = len(frame.payload)
            if frame.offset + size > self._consumed + self.options.window:
                raise ChannelViolation(
                    f"channel {self.channel:x}: byte {frame.offset + size} is beyond the window "
                    f"({self._consumed} consumed, {self.options.window} allowed)"
                )
            self._received += size
            self._events.append(Data(frame.offset, frame.payload))
            return
        payload = bytes(frame.payload)
        try:
            number, taken = _END.unpack_from(payload)
            reason = EndReason(number)
        except (struct.error, ValueError):
            raise ChannelViolation(f"channel {self.channel:x}: an end without a known reason") from None
        self._acknowledge_now = True
        text = payload[_END.size :].decode(errors="replace")
        self._events.append(Ended(reason, text, None if taken == _UNKNOWN else taken))
        self._change(Trigger.REMOTE_END)
        if self._end_framed and not self._in_flight:
            self._change(Trigger.ACKNOWLEDGED)

    def _take_urgent(self, frame: Frame) -> None:
        self._owes_acknowledgement = self._acknowledge_now = True
        if frame.sequence != self._urgent_expected:
            return
        self._urgent_expected += 1
        try:
            code, parameter = _URGENT.unpack(frame.payload)
        except struct.error:
            raise ChannelViolation(f"channel {self.channel:x}: an urgent frame of {len(frame.payload)} bytes") from None
        self._events.append(Urgent(frame.offset, code, parameter))
