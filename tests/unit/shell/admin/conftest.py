"""The admin shell over a broker that only records requests."""

from __future__ import annotations

import pytest
from shells import Broker


@pytest.fixture
def broker() -> Broker:
    """A shell without a person, over a broker."""
    return Broker()
