"""When a soak has failed, and what its report shows."""

from __future__ import annotations

import json

from record import LEFT, LOST, MIB, Record, Sample
from report import as_data, as_text, findings


def record(seconds: float = 60.0) -> Record:
    kept = Record(7, seconds)
    kept.count("evaluations", 3)
    kept.waited("answer", 0.25)
    kept.error("refused", "the pool is full")
    for at in range(100):
        kept.sample("host alpha", Sample(float(at), 1, (50 + 2 * at) * MIB, 20 + at, 3, 2, 0))
    return kept


def test_a_short_soak_shows_growth_and_does_not_judge_it() -> None:
    assert findings(record(60.0)) == []
    assert findings(record(1800.0)) == ["host alpha has grown by 120 MiB", "host alpha has 89 descriptors more than when it had begun"]


def test_any_fault_fails_a_soak() -> None:
    for kind, meaning in ((LOST, "losses: 1"), (LEFT, "left behind: 1")):
        kept = record()
        kept.fault(3.0, kind, "customer 1", "an answer never came")
        assert findings(kept) == [meaning]
        assert "an answer never came" in as_text(kept)
        assert as_text(kept).endswith(f"FAILED: {meaning}")


def test_a_soak_in_which_nothing_was_done_has_failed() -> None:
    assert findings(Record(7, 60.0)) == ["nothing was evaluated"]


def test_the_data_has_all_and_can_be_written() -> None:
    data = json.loads(json.dumps(as_data(record())))
    assert data["seed"] == 7
    assert data["passed"] is True
    assert data["counts"]["evaluations"] == 3
    assert data["errors"] == {"refused: the pool is full": {"number": 1, "example": "the pool is full"}}
    assert data["waits"]["answer"]["p99"] == 0.25
    assert len(data["parts"]["host alpha"]) == 100
    assert "seed 7" in as_text(record())
