"""Which devices a request gets."""

import itertools

import pytest

from fakes.inventory import gpu, mig_slice, uuid
from gpudock.model import GPU, Request
from gpudock.policy.placement import blocked, choose, eligible, matches, overlap


def request(gpus: int = 1, model: str | None = None) -> Request:
    return Request("r", "ada", "", gpus, 0.0, "image", gpu_model=model)


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
    assert SLICES[0].uuid in blocked(SLICES, {A100[2].uuid})


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
