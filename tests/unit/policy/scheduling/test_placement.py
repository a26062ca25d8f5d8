"""Which devices a request gets."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import pytest

from doubles.inventory import gpu, mig_slice, uuid
from gpudock.model import GPU, GPUState, Lease, Link, LinkKind, Request
from gpudock.policy.gpu_health import DeviceHealth
from gpudock.policy.matching import eligible, matches, overlap
from gpudock.policy.scheduling.capacity import Capacity
from gpudock.policy.scheduling.demand import DemandClasses
from gpudock.policy.scheduling.placement import best_connected

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


def request(gpus: int = 1, model: str | None = None) -> Request:
    return Request("r", "ada", "", gpus, 0.0, "image", gpu_model=model)


def choose(
    wanted: Request,
    gpus: Iterable[GPU],
    taken: Collection[str],
    known: Iterable[GPU] = (),
    *,
    links: Iterable[Link] = (),
) -> tuple[str, ...] | None:
    """Choose out of *gpus*; what else is *known* is out of service."""
    candidates = list(gpus)
    capacity = Capacity(
        [DeviceHealth(item, GPUState.FREE, None, True, True) for item in candidates]
        + [
            DeviceHealth(item, GPUState.DRAINING, None, False, False)
            for item in known
            if item not in candidates
        ],
        [Lease(f"l{n}", "x", "", "i", (name,), 0.0) for n, name in enumerate(sorted(taken))],
        list(links),
        now=0.0,
    )
    units = DemandClasses(capacity).of(wanted, None).start(math.inf)
    return None if units is None else tuple(sorted(unit.gpu.uuid for unit in units))


A100 = [gpu(number) for number in range(3)]
BIG = gpu(7, "NVIDIA H100 80GB HBM3")
SLICES = [mig_slice(20 + number, A100[2]) for number in range(2)]


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("*a100*", True),
        ("NVIDIA A100-SXM4-40GB", True),
        ("nvidia a100-sxm4-?0gb", True),
        ("A100", False),
        ("*H100*", False),
        ("*[", False),
        ("", False),
    ],
)
def test_models_match_shell_patterns_without_regard_to_case(pattern: str, fits: bool) -> None:
    assert matches("NVIDIA A100-SXM4-40GB", pattern) is fits


def test_a_hostile_pattern_costs_no_time() -> None:
    assert not matches("a" * 200, "*a" * 100 + "b")


def test_the_quota_patterns_and_the_request_must_both_fit() -> None:
    lab = [*A100, BIG]
    assert eligible(request(model="*"), lab, ("*H100*",)) == (BIG,)
    assert eligible(request(model="*A100*"), lab, ("*H100*",)) == ()
    assert eligible(request(), lab, None) == tuple(lab)


def test_all_or_none() -> None:
    assert choose(request(3), A100, ()) == tuple(sorted(item.uuid for item in A100))
    assert choose(request(4), A100, ()) is None
    assert choose(request(3), A100, {A100[0].uuid}) is None


def test_a_gpu_and_its_slices_exclude_each_other() -> None:
    whole = A100[2]
    assert choose(request(), [whole], {SLICES[0].uuid}, [whole, *SLICES]) is None
    assert choose(request(), SLICES, {whole.uuid}, [whole, *SLICES]) is None
    assert choose(request(), SLICES, {SLICES[0].uuid}, [whole, *SLICES]) == (SLICES[1].uuid,)
    # Nor does one request get both.
    assert choose(request(3), [whole, *SLICES], ()) is None
    assert overlap(whole, SLICES[0])
    assert not overlap(SLICES[0], SLICES[1])


def test_a_slice_whose_parent_nobody_reports_is_blocked_by_the_parent() -> None:
    assert choose(request(), SLICES, {A100[2].uuid}) is None


def test_the_answer_does_not_depend_on_the_order_in_which_devices_are_reported() -> None:
    lab = [A100[0], A100[2], BIG, *SLICES]
    answers = {choose(request(), order, ()) for order in itertools.permutations(lab)}
    assert len(answers) == 1


def test_tie_break_smaller_memory_then_index() -> None:
    assert choose(request(), [BIG, *reversed(A100)], ()) == (A100[0].uuid,)
    small = GPU(uuid(9), 9, "host", "NVIDIA T4", 15360)
    assert choose(request(), [*A100, small], ()) == (small.uuid,)


def test_tie_break_slices_of_a_gpu_that_is_in_use_come_first() -> None:
    other = gpu(5)
    others = [mig_slice(30, other), mig_slice(31, other)]
    everything = [A100[2], other, *SLICES, *others]
    taken = {others[1].uuid}
    assert choose(request(), [*SLICES, *others], taken, everything) == (others[0].uuid,)


def test_several_devices_are_of_one_model_where_possible_and_of_one_host_always() -> None:
    cheap = GPU(uuid(9), 9, "host", "NVIDIA T4", 15360)
    assert choose(request(2), [cheap, *A100[:2]], ()) == (A100[0].uuid, A100[1].uuid)
    assert choose(request(2), [cheap, A100[0]], ()) == tuple(sorted((cheap.uuid, A100[0].uuid)))
    assert choose(request(2), [gpu(1, host="one"), gpu(2, host="two")], ()) is None


# How devices are connected.


def linked(
    *pairs: tuple[int, int, int], kind: LinkKind = LinkKind.SYSTEM, of: int = 4
) -> list[Link]:
    """Connect devices 0 to *of*: *pairs* are (one, other, lanes), all others by *kind*."""
    lanes = {(one, other): count for one, other, count in pairs}
    return [
        Link(
            uuid(one),
            uuid(other),
            LinkKind.NVLINK if (one, other) in lanes else kind,
            lanes.get((one, other), 0),
        )
        for one, other in itertools.combinations(range(of), 2)
    ]


FOUR = [gpu(number) for number in range(4)]


def names(*numbers: int) -> tuple[str, ...]:
    return tuple(uuid(number) for number in numbers)


def test_two_devices_are_those_with_most_nvlinks_between_them() -> None:
    links = linked((0, 2, 4), (1, 3, 8))
    assert choose(request(2), FOUR, (), links=links) == names(1, 3)
    assert choose(request(2), FOUR, names(3), links=links) == names(0, 2)


def test_without_nvlink_the_closer_kind_decides() -> None:
    links = [
        Link(uuid(0), uuid(1), LinkKind.SYSTEM),
        Link(uuid(0), uuid(2), LinkKind.NUMA_NODE),
        Link(uuid(1), uuid(2), LinkKind.PCIE_SWITCH),
    ]
    assert choose(request(2), FOUR[:3], (), links=links) == names(1, 2)


def test_one_device_is_taken_where_it_breaks_no_pair() -> None:
    links = linked((0, 1, 4), (2, 3, 4))
    assert choose(request(), FOUR, names(2), links=links) == names(3)
    assert choose(request(), FOUR, names(3), links=links) == names(2)


def test_one_nvlink_is_worth_more_than_any_wiring_of_pcie() -> None:
    links = linked((2, 3, 1), kind=LinkKind.PCIE_SWITCH)
    assert choose(request(2), FOUR, (), links=links) == names(2, 3)


def test_devices_that_are_all_connected_alike_are_taken_in_order() -> None:
    links = linked(*((a, b, 18) for a, b in itertools.combinations(range(4), 2)))
    assert choose(request(2), FOUR, (), links=links) == names(0, 1)


def test_a_device_of_which_no_link_is_known_can_be_taken_all_the_same() -> None:
    links = linked((0, 1, 4), of=3)
    assert choose(request(4), FOUR, (), links=links) == names(0, 1, 2, 3)
    assert choose(request(2), FOUR, names(0, 1), links=links) == names(2, 3)


def test_of_many_devices_a_well_connected_set_is_grown() -> None:
    # Four rings of four: any answer but one whole ring is worse.
    ring = {frozenset((4 * n + a, 4 * n + (a + 1) % 4)) for n in range(4) for a in range(4)}
    weights = tuple(
        tuple(1000 if frozenset((a, b)) in ring else 1 for b in range(16)) for a in range(16)
    )
    found = best_connected(weights, tuple(range(1, 16)), 4)
    assert len({number // 4 for number in found}) == 1
    assert found[0] // 4 > 0


# Which host.


def test_the_fullest_host_that_suffices_is_taken_so_that_whole_hosts_stay_free() -> None:
    lab = [gpu(10 * host + number, host=f"host{host}") for host in range(3) for number in range(4)]
    # Host 0 is whole, host 1 has three left, host 2 has one.
    taken = names(10, 20, 21, 22)
    assert choose(request(), lab, taken) == names(23)
    assert choose(request(2), lab, taken) == names(11, 12)
    assert choose(request(4), lab, taken) == names(0, 1, 2, 3)


def test_a_small_host_of_which_nothing_is_used_stays_whole() -> None:
    lab = [*(gpu(number, host="large") for number in range(4)), gpu(9, host="small")]
    assert choose(request(), lab, names(0)) == names(1)


def test_small_devices_are_taken_before_a_large_one_on_a_fuller_host() -> None:
    small = [GPU(uuid(50 + n), n, "other", "NVIDIA T4", 15360) for n in range(2)]
    assert choose(request(), [*A100, *small], names(0)) == (small[0].uuid,)
