"""The executor: how functions and calls become expressions for a kernel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from kernel_player import KernelPlayer, packet

from kernelbus.shell.pool import calls, kernelpool
from kernelbus.shell.pool.kernelpool import KernelPool
from wstp import Expr, Symbol

Start = Callable[..., KernelPlayer]


@pytest.mark.parametrize(
    ("given", "function"),
    [
        ("Prime", Symbol("Prime")),
        (" my`f ", Symbol("my`f")),
        ("#^2 &", Symbol("ToExpression")("#^2 &")),
        (Symbol("g"), Symbol("g")),
        (Symbol("Function")(1), Symbol("Function")(1)),
    ],
)
def test_functions_of_the_language(given: object, function: Expr) -> None:
    assert calls.function_of(given) == function


@pytest.mark.parametrize("given", ["", "  ", len, 3, None])
def test_what_is_no_function_of_the_language(given: object) -> None:
    with pytest.raises(TypeError):
        calls.function_of(given)


def test_chunks_have_a_limit_of_calls_and_of_bytes() -> None:
    calls = [(number,) for number in range(7)]
    assert [len(chunk) for chunk in kernelpool._chunks(iter(calls), 3, bounded=True)] == [3, 3, 1]
    large = np.zeros(kernelpool._CHUNK_BYTES // 8)
    assert [len(chunk) for chunk in kernelpool._chunks(iter([(large,), (large,)]), 100, bounded=True)] == [1, 1]
    assert [len(chunk) for chunk in kernelpool._chunks(iter([(large,), (large,)]), 100, bounded=False)] == [2]


def test_calls_travel_in_chunks_and_come_back_one_by_one(play: Start) -> None:
    chunk = Symbol("WSTPServer`Chunk")
    kernel = play({"Map[f, WSTPServer`Chunk[1, 2]]": [packet("ReturnPacket", chunk(10, 20))], "f[3]": [packet("ReturnPacket", 30)]})
    with KernelPool(f"wstp://127.0.0.1:{kernel.port}", 1) as pool:
        assert list(pool.map("f", [1, 2, 3], chunksize=2)) == [10, 20, 30]
        assert pool.submit("g", 1, WorkingPrecision=30).result(30) == "value of g[1, Rule[WorkingPrecision, 30]]"
    assert kernel.ended.wait(30)


@pytest.mark.parametrize("sizes", [{"chunksize": 0}, {"buffersize": 0}])
def test_sizes_below_one(play: Start, sizes: dict[str, int]) -> None:
    with KernelPool(f"wstp://127.0.0.1:{play().port}", 1) as pool, pytest.raises(ValueError, match="it must be at least 1"):
        pool.map("f", [1], **sizes)
