"""How long a session is safe that nobody is attached to, and which is given up first.

Sans-IO. A pool gives a session up only for a client that has asked for a kernel and for which there
is no place, unless its time-out ends sessions in any case (:attr:`Timeouts.ends`): one that the
operator has set does, unless `TimeoutsApply` says otherwise. Where sessions are given up for a
client, the order is that of :class:`Worth`, and among those of the same worth the one that was left
first.

| a detached kernel that | of worth KEPT | of less worth |
|---|---|---|
| is idle | after `SessionIdleTimeout` | at once |
| asks its client | after `DetachedQuestionTimeout` | after `LeftoverTimeout` |
| evaluates | after `DetachedEvaluationTimeout` | after `LeftoverTimeout` |

Times count from when the client left, or from the kernel's last change between idle, asking and
evaluating. A time-out of 0 means that there is none: such a session is never given up.

Before a time-out that somebody could still prevent, by coming back or by asking for something, the
log warns of it (:func:`warned_before`).
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import NamedTuple

__all__ = ["Activity", "Timeouts", "Worth", "overdue", "safe_for", "time_of", "warned_before", "warning_of", "worth_of"]


#: The longest time between the warning and a session's time-out, in seconds.
_LONGEST_NOTICE = 86400.0


class Worth(IntEnum):
    """What a session is worth that its client has left; the least is given up first."""

    UNUSED = 0  #: nothing was evaluated, and nobody was told that it is kept
    LEFTOVER = 1  #: nobody knows its id, and its client went without a word or in the middle of its work
    LEFT = 2  #: nobody knows its id; its client closed the link after its evaluations
    KEPT = 3  #: its client was told that it is kept, or used it and was told its id


class Activity(Enum):
    """What a kernel does."""

    IDLE = "idle"
    ASKING = "asking"  #: it waits for the answer to a question in the middle of an evaluation
    EVALUATING = "evaluating"


# What a kernel without a client has done for too long, and the key that says so.
_OVERDUE = {
    Activity.IDLE: ("been idle", "SessionIdleTimeout"),
    Activity.ASKING: ("waited for an answer", "DetachedQuestionTimeout"),
    Activity.EVALUATING: ("evaluated", "DetachedEvaluationTimeout"),
}


_TIMES = {Activity.IDLE: "idle", Activity.ASKING: "question", Activity.EVALUATING: "evaluation"}


class Timeouts(NamedTuple):
    """How long sessions are safe, in seconds; 0: always. See the module's table.

    Attributes:
        idle: `SessionIdleTimeout`.
        evaluation: `DetachedEvaluationTimeout`.
        question: `DetachedQuestionTimeout`.
        leftover: `LeftoverTimeout`.
        attached: `AttachedIdleTimeout`: for a session whose client is there and asks for nothing.
        ends: the names of those of these times that end sessions even if nobody needs their places.
    """

    idle: float = 0.0
    evaluation: float = 0.0
    question: float = 0.0
    leftover: float = 20.0
    attached: float = 0.0
    ends: frozenset[str] = frozenset()


def worth_of(*, promised: bool, known: bool, orderly: bool, asked: int, answered: int) -> Worth:
    """Return the worth of a session that its client leaves.

    Args:
        promised: whether it has a profile, or its client has asked for it to be kept.
        known: whether a client was told its id.
        orderly: whether the client said that it leaves.
        asked, answered: how many evaluations the session was asked for, and has answered.
    """
    if promised:
        return Worth.KEPT
    if not asked:
        return Worth.UNUSED
    if known:
        return Worth.KEPT
    return Worth.LEFT if orderly and answered else Worth.LEFTOVER


def time_of(worth: Worth, activity: Activity, *, client: bool = False) -> str:
    """Return which of the :class:`Timeouts` a session is under; `client`: whether one has it."""
    if client:
        return "attached"
    return _TIMES[activity] if worth is Worth.KEPT else "leftover"


def safe_for(timeouts: Timeouts, worth: Worth, activity: Activity) -> float | None:
    """Return for how many seconds a detached session is not given up; None: for ever."""
    time = time_of(worth, activity)
    if time == "leftover" and activity is Activity.IDLE and time not in timeouts.ends:
        return 0.0
    seconds: float = getattr(timeouts, time)
    return seconds or None


def warned_before(seconds: float) -> float:
    """Return how many seconds before a time-out of `seconds` the log warns of it.

    It is a tenth of it and at most a day: of two days, the last five hours.
    """
    return min(seconds / 10, _LONGEST_NOTICE)


def overdue(activity: Activity, seconds: float, *, client: bool) -> str:
    """Say what a session has done for `seconds`, and which key counts that.

    `client`: whether a client has it.
    """
    if client:
        return f"its client has asked for nothing for {seconds:.0f} s (AttachedIdleTimeout)"
    doing, key = _OVERDUE[activity]
    return f"it has {doing} for {seconds:.0f} s without a client ({key})"


def warning_of(timeouts: Timeouts, activity: Activity, seconds: float, left: float, *, client: bool) -> str:
    """Return the warning that a session may be given up in `left` seconds.

    The other arguments are those of :func:`overdue`.
    """
    time = time_of(Worth.KEPT, activity, client=client)
    ends = "it is ended" if time in timeouts.ends else "it may be ended for a client that needs its place"
    prevents = "its client asks for something" if client else "a client comes back to it"
    return f"in {left:.0f} s {ends}, unless {prevents}: {overdue(activity, seconds, client=client)}"
