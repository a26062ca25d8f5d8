"""A start that was shown is kept, if nobody joins and every session runs to its latest end."""

from __future__ import annotations

import pytest

from benchmarks.fairness.forward import KINDS, Kept, Kind, random_lab, run_forward
from gpudock.policy.scheduling.fair_share import FairShare

pytestmark = pytest.mark.simulation


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_shown_starts_are_kept(kind: Kind) -> None:
    """All but the few of docs/queue.md, where an earlier request gained and a later one lost."""
    found = sum((run_forward(random_lab(kind, seed)) for seed in range(150)), start=Kept())
    assert found.shown > 300
    assert found.late <= 0.01 * found.shown


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_with_fair_share_no_start_is_after_the_range_that_was_shown(kind: Kind) -> None:
    found = sum(
        (run_forward(random_lab(kind, seed), FairShare()) for seed in range(100)), start=Kept()
    )
    assert found.shown > 200
    assert found.late == 0
