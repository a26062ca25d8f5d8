"""MIG slices that come while the agent runs, whose device nodes its container does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gpudock.agent.reader import Reader
from gpudock.agent.slice_nodes import (
    NOT_GIVEN,
    RETRY_SECONDS,
    SETTLE_SECONDS,
    SliceWatch,
    missing_nodes,
)
from unit.agent.fake_client import Card, SteadyClient, slice_card, uuid_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    return tmp_path / "capabilities"


@pytest.fixture
def nodes(tmp_path: Path) -> Path:
    folder = tmp_path / "nvidia-caps"
    folder.mkdir()
    return folder


def cut(proc: Path, gpu: int, instance: int, minors: tuple[int, int]) -> None:
    """Add a slice as the kernel lists it."""
    for folder, minor in ((f"gi{instance}", minors[0]), (f"gi{instance}/ci0", minors[1])):
        file = proc / f"gpu{gpu}" / "mig" / folder / "access"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"DeviceFileMinor: {minor}\nDeviceFileMode: 292\nDeviceFileModify: 1\n")


def test_nodes_of_slices_that_came_later_are_missing(proc: Path, nodes: Path) -> None:
    assert missing_nodes(proc, nodes) == {}
    cut(proc, 2, 7, (66, 67))
    assert missing_nodes(proc, nodes) == {2: {66, 67}}
    (nodes / "nvidia-cap66").touch()
    assert missing_nodes(proc, nodes) == {2: {67}}
    (nodes / "nvidia-cap67").touch()
    assert missing_nodes(proc, nodes) == {}


def test_what_the_kernel_writes_otherwise_is_no_slice(proc: Path, nodes: Path) -> None:
    cut(proc, 0, 1, (3, 4))
    (proc / "gpu0/mig/gi1/access").write_text("nonsense")
    (proc / "mig").mkdir()
    (proc / "mig" / "config").write_text("DeviceFileMinor: 1")
    assert missing_nodes(proc, nodes) == {0: {4}}


def test_the_agent_ends_for_new_slices_soon_and_for_known_ones_rarely() -> None:
    clock = [0.0]
    missing: dict[int, frozenset[int]] = {}
    watch = SliceWatch(lambda: clock[0], lambda: missing)
    assert not watch.is_due()
    missing[0] = frozenset({3, 4})
    assert not watch.is_due()
    clock[0] += SETTLE_SECONDS - 1
    missing[0] = frozenset({3, 4, 12, 13})
    assert not watch.is_due(), "more are being made"
    clock[0] += SETTLE_SECONDS
    assert watch.is_due()
    # The new start has not brought them: the engine does not know them yet.
    watch = SliceWatch(lambda: clock[0], lambda: missing)
    clock[0] += SETTLE_SECONDS
    assert not watch.is_due()
    clock[0] += RETRY_SECONDS
    assert watch.is_due()
    missing.clear()
    assert not watch.is_due()


def reading_of(card: Card, missing: dict[int, frozenset[int]]):
    reader = Reader(SteadyClient(card), "node1", sees_all_processes=True, missing=lambda: missing)
    return reader.read().readings[0]


def test_slices_that_no_container_gets_are_not_called_missing_slices() -> None:
    card = Card(uuid_of(1), minor=4, mig_enabled=True, slices=[])
    assert reading_of(card, {}).fault is None
    unseen = reading_of(card, {4: frozenset({66})})
    assert (unseen.fault, unseen.fault_may_pass) == (NOT_GIVEN, True)
    assert reading_of(card, {5: frozenset({66})}).fault is None
    seen = Card(uuid_of(1), minor=4, mig_enabled=True, slices=[slice_card(10)])
    assert reading_of(seen, {4: frozenset({66})}).fault is None
