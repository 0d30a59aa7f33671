"""Links never need more descriptors than a process may have."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kernelbus.frontend.capacity import PER_LINK, capacity


@given(st.integers(512, 5000), st.integers(1, 2000), st.integers(16, 2000), st.integers(0, 20))
def test_what_fits_is_within_the_limit(descriptors: int, links: int, pending: int, kernels: int) -> None:
    fits = capacity(descriptors, links, pending, kernels)
    assert 1 <= fits.links <= links
    assert fits.pending <= max(16, pending)
    assert PER_LINK * fits.links + 2 * fits.pending + 10 * kernels + 128 <= max(descriptors, 10 * kernels + 128 + 40)
    assert bool(fits.warning) == ((fits.links, fits.pending) != (links, pending))


def test_the_warning_says_what_is_short_and_what_to_do() -> None:
    warning = capacity(1024, 1000, 1024, 16).warning
    assert "Limits/Links of 1000" in warning
    assert "may have 1024" in warning
    assert "ulimit -n" in warning
