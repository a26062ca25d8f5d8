"""Fair share cannot be gamed: nobody gets more than 1.1 of a fair part over a week."""

from __future__ import annotations

import pytest

from benchmarks.fairness.strategies import TRICKS, Trick, gain

pytestmark = pytest.mark.simulation


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.name)
@pytest.mark.parametrize(("others", "hours"), [(16, 12.0), (24, 4.0)])
def test_no_trick_gains_more_than_a_tenth(trick: Trick, others: int, hours: float) -> None:
    """Or one session, where a session is more than that."""
    found = gain(trick, gpus=8, others=others, hours=hours)
    assert found.is_fair, found
