"""The admin shell over a broker that only notes what it is asked."""

from __future__ import annotations

import pytest
from shells import Broker


@pytest.fixture
def broker() -> Broker:
    """A shell with nobody there, over a broker."""
    return Broker()
