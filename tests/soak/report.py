"""Tell how a soak went: in text for people, as data for programs.

No I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from record import BROKEN, LEFT, LOST, MIB, STUCK, WRONG, Record, grown, more_descriptors

__all__ = ["JUDGED", "as_data", "as_text", "findings"]

#: From this length on what a part grows by is judged, in seconds; a shorter soak shows it only.
JUDGED = 600.0
#: What a part may grow by, in bytes, and how many descriptors more it may have at its end, when it
#: has nothing to do.
_GROWTH = 64 * MIB
_DESCRIPTORS = 16

_MEANING = {
    WRONG: "wrong answers",
    LOST: "losses",
    STUCK: "waits without end",
    LEFT: "left behind",
    BROKEN: "broken",
}


def findings(record: Record) -> list[str]:
    """Return what speaks against the server, a line each; nothing: the soak has passed."""
    found = [f"{meaning}: {record.counts[f'faults: {kind}']}" for kind, meaning in _MEANING.items() if record.counts[f"faults: {kind}"]]
    if not record.counts["evaluations"]:
        found.append("nothing was evaluated")
    if record.seconds >= JUDGED:
        for part, samples in record.samples.items():
            if (more := grown(samples)) > _GROWTH:
                found.append(f"{part} has grown by {more // MIB} MiB")
            if (more := more_descriptors(samples)) > _DESCRIPTORS:
                found.append(f"{part} has {more} descriptors more than when it had begun")
    return found


def as_data(record: Record) -> dict[str, object]:
    """Return all that was kept."""
    return {
        "seed": record.seed,
        "seconds": record.seconds,
        "passed": not findings(record),
        "findings": findings(record),
        "counts": dict(sorted(record.counts.items())),
        "errors": {kind: {"number": number, "example": record.examples[kind]} for kind, number in record.errors.most_common()},
        "waits": {what: _spread(values) for what, values in sorted(record.waits.items())},
        "faults": [asdict(fault) for fault in record.faults],
        "events": [{"at": round(at, 2), "what": what, "text": text} for at, what, text in record.events],
        "parts": {part: [asdict(sample) for sample in samples] for part, samples in record.samples.items()},
    }


def as_text(record: Record) -> str:
    """Return the report for people."""
    lines = [f"soak of {record.seconds:.0f} s with seed {record.seed}", ""]
    for kind, meaning in _MEANING.items():
        lines.append(f"{record.counts[f'faults: {kind}']:9} {meaning}")
    lines += ["", "what was done"]
    lines += [f"{number:9} {what}" for what, number in sorted(record.counts.items()) if not what.startswith("faults: ")]
    lines += ["", "waits, in ms" + " " * 12 + "number      p50      p99    worst"]
    for what, values in sorted(record.waits.items()):
        spread = _spread(values)
        lines.append(f"  {what:20} {len(values):8} {spread['p50'] * 1e3:8.0f} {spread['p99'] * 1e3:8.0f} {spread['worst'] * 1e3:8.0f}")
    lines += ["", "errors that clients got, and lines of logs, by kind"]
    lines += [f"{number:9} {kind}" for kind, number in record.errors.most_common(60)]
    lines += ["", "parts" + " " * 12 + "starts   MiB at its start, most, last   growth   descriptors   most    last  children"]
    for part, samples in record.samples.items():
        own = [sample for sample in samples if sample.pid == samples[-1].pid]
        first, last = own[0], own[-1]
        memory, descriptors = (max(sample.memory for sample in samples), max(sample.descriptors for sample in samples))
        lines.append(
            f"  {part:14} {len({sample.pid for sample in samples}):6}   "
            f"{first.memory // MIB:8} {memory // MIB:12} {last.memory // MIB:6}   {grown(samples) / MIB:6.1f}   "
            f"{first.descriptors:11} {descriptors:6} {last.descriptors:7} {last.children:9}"
        )
    for fault in record.faults[:40]:
        lines += ["", f"{_MEANING[fault.kind]}, at {fault.at:.1f} s, {fault.actor}:", *(f"    {line}" for line in fault.text.splitlines())]
    found = findings(record)
    lines += ["", "passed" if not found else "FAILED: " + "; ".join(found)]
    return "\n".join(lines)


def _spread(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "number": len(ordered),
        "p50": ordered[len(ordered) // 2],
        "p99": ordered[len(ordered) * 99 // 100],
        "worst": ordered[-1],
    }
