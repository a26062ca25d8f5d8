"""Labs to begin a test with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from state_machine.lab import BrokerLab

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def lab(lab_url: str) -> Iterator[BrokerLab]:
    """A lab whose engine nobody has looked at yet, on each database that a lab may have."""
    lab = BrokerLab(lab_url)
    yield lab
    lab.store.close()


@pytest.fixture
def opened(lab: BrokerLab) -> BrokerLab:
    """A lab that grants."""
    lab.look()
    return lab
