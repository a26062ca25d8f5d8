"""Which requests are granted, and why all others wait."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from doubles.inventory import gpu, mig_slice
from gpudock.model import Denial, GPUState, Lease, LeaseState, Quota, Request, Share, WhenBusy
from gpudock.policy.admission import refuse
from gpudock.policy.gpu_health import DeviceHealth
from gpudock.policy.quota.resolve import Cap, resolve, usage
from gpudock.policy.scheduling import reasons
from gpudock.policy.scheduling.decide import Decision, decide
from gpudock.policy.scheduling.snapshot import Snapshot, Waiting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpudock.model import GPU

NOW = 1000.0
LAB = [gpu(0), gpu(1)]


def free(item: GPU) -> DeviceHealth:
    return DeviceHealth(item, GPUState.FREE, None, grantable=True, in_service=True)


def lease(
    user: str, *gpus: GPU, server: str = "", hours: float | None = 1, **rest: object
) -> Lease:
    """Make a lease that ends after *hours*, without a way to extend it."""
    end = None if hours is None else NOW + hours * 3600
    return Lease(
        f"lease{user}{server}",
        user,
        server,
        "image",
        tuple(item.uuid for item in gpus),
        NOW,
        expires_at=end,
        latest_end=end,
        **rest,
    )


def ask(user: str, gpus: int = 1, server: str = "", **options: object) -> Request:
    return Request(f"{user}/{server}", user, server, gpus, NOW, "image", **options)


def lab(
    *requests: Request,
    leases: Iterable[Lease] = (),
    gpus: Iterable[GPU] = LAB,
    quota: Quota | None = None,
    **rest: object,
) -> Snapshot:
    effective = resolve(quota or Quota(max_gpus=2))
    leases = tuple(leases)
    return Snapshot(
        now=NOW,
        devices=tuple(free(item) for item in gpus),
        leases=leases,
        waiting=tuple(
            Waiting(n, request, replace(effective, used=usage(leases, request.user)))
            for n, request in enumerate(requests)
        ),
        **rest,
    )


def granted(decision: Decision) -> dict[str, int]:
    return {grant.request.user: len(grant.gpu_uuids) for grant in decision.grants}


def test_first_come_first_served() -> None:
    decision = decide(lab(ask("ada"), ask("bob"), ask("cy"), ask("di")))
    assert granted(decision) == {"ada": 1, "bob": 1}
    assert [place.position for place in decision.places.values()] == [1, 2]
    assert {place.length for place in decision.places.values()} == {2}


def test_every_waiting_request_is_granted_refused_or_placed() -> None:
    snapshot = lab(ask("ada"), ask("bob", 5), ask("cy"), ask("di"), ask("ed", 0))
    decision = decide(snapshot)
    outcomes = [decision.outcome(item.request) for item in snapshot.waiting]
    assert len(outcomes) == 5
    assert isinstance(outcomes[1], Denial)


def test_a_small_request_does_not_pass_a_large_one_that_could_use_the_gpu() -> None:
    decision = decide(lab(ask("big", 2), ask("small"), leases=[lease("x", LAB[0])]))
    assert granted(decision) == {}
    big, small = decision.places.values()
    assert big.reason == "This server needs 2 GPUs at once, and 1 matching GPU is free."
    assert small.reason == "1 request is ahead of this one for the matching GPUs."


def test_a_later_request_passes_when_it_takes_nothing_that_the_earlier_could_use() -> None:
    other = gpu(5, "NVIDIA T4")
    decision = decide(
        lab(
            ask("ada", gpu_model="*A100*"),
            ask("bob"),
            leases=[lease("x", *LAB)],
            gpus=[*LAB, other],
        )
    )
    assert granted(decision) == {"bob": 1}


def test_a_slice_of_a_gpu_that_an_earlier_request_waits_for_is_kept() -> None:
    whole = gpu(4)
    slices = [mig_slice(10, whole), mig_slice(11, whole)]
    decision = decide(
        lab(
            ask("ada", gpu_model="NVIDIA A100-SXM4-40GB"),
            ask("bob", gpu_model="*MIG*"),
            leases=[lease("x", slices[0])],
            gpus=[whole, *slices],
        )
    )
    assert granted(decision) == {}


def test_a_request_that_only_its_own_quota_holds_back_blocks_nobody() -> None:
    decision = decide(
        lab(
            ask("ada", server="second"),
            ask("bob"),
            leases=[lease("ada", LAB[0])],
            quota=Quota(max_gpus=1),
        )
    )
    assert granted(decision) == {"bob": 1}
    assert "You use 1 of the 1 GPU that your quota allows" in decision.places["ada/second"].reason


def test_what_the_own_quota_holds_back_is_planned_for_when_it_clears() -> None:
    """The second server gets the first one's GPU, so the other GPU is there for all others."""
    decision = decide(
        lab(
            *(ask("ada", server=name) for name in "bc"),
            leases=[lease("ada", LAB[0], hours=3)],
            quota=Quota(max_gpus=1, max_session_hours=2.0),
        )
    )
    starts = {name: place.expected_start for name, place in decision.places.items()}
    assert starts == {"ada/b": NOW + 3 * 3600, "ada/c": NOW + 5 * 3600}


def test_a_later_request_of_the_same_user_delays_no_planned_one() -> None:
    held = [lease("ada", LAB[0], hours=3)]
    later = ask("ada", 1, server="c")
    for hours, grants in ((2.0, {"ada": 1}), (4.0, {})):
        quota = Quota(max_gpus=2, max_session_hours=hours)
        decision = decide(lab(ask("ada", 2, server="b"), later, leases=held, quota=quota))
        assert granted(decision) == grants
        assert decision.places["ada/b"].expected_start == NOW + 3 * 3600
    assert decision.places["ada/c"].reason == reasons.BEHIND_OWN
    assert decision.places["ada/c"].expected_start == NOW + 7 * 3600


def test_the_first_request_for_which_gpus_are_reserved_is_next() -> None:
    held = [lease("ada", LAB[0], hours=3), lease("cy", LAB[1], hours=3)]
    quota = Quota(max_gpus=1)
    waiting = [ask("ada", server="b"), ask("bob"), ask("dan")]
    # Ada's own limit holds hers back, so it is not for others that it waits.
    assert decide(lab(*waiting, leases=held, quota=quota)).next_request == waiting[1].id
    assert decide(lab(waiting[0], leases=held, quota=quota)).next_request is None
    assert decide(lab(*waiting, quota=quota, gate="Not now.")).next_request is None


def test_nothing_is_planned_for_a_limit_that_has_no_foreseeable_end() -> None:
    held = [lease("ada", LAB[0], hours=None)]
    decision = decide(lab(ask("ada", server="b"), leases=held, quota=Quota(max_gpus=1)))
    assert decision.places["ada/b"].expected_start is None


def test_the_quota_holds_across_named_servers_in_one_round() -> None:
    requests = [ask("ada", server=str(number)) for number in range(3)]
    decision = decide(lab(*requests, gpus=[gpu(n) for n in range(5)]))
    assert len(decision.grants) == 2


def test_a_quota_that_was_lowered_grants_nothing_beyond_it_and_ends_nothing() -> None:
    held = [lease("ada", LAB[0])]
    decision = decide(lab(ask("ada", server="b"), leases=held, quota=Quota(max_gpus=0)))
    assert granted(decision) == {}
    assert decision.refusals["ada/b"].reason == "quota"


def test_a_request_for_more_than_is_in_service_blocks_nobody() -> None:
    snapshot = lab(ask("big", 2), ask("small"))
    sick = replace(
        snapshot.devices[0],
        state=GPUState.QUARANTINED,
        reason="It does not answer.",
        grantable=False,
        in_service=False,
    )
    decision = decide(replace(snapshot, devices=(sick, snapshot.devices[1])))
    assert granted(decision) == {"small": 1}
    assert decision.places["big/"].reason == (
        "This server needs 2 GPUs, and 1 matching GPU is in service. It does not answer."
    )


def test_a_gpu_that_cannot_be_granted_yet_is_waited_for_with_the_reason() -> None:
    snapshot = lab(ask("ada"), gpus=LAB[:1])
    checked = replace(
        snapshot.devices[0],
        grantable=False,
        reason="It is being checked after its last session.",
    )
    decision = decide(replace(snapshot, devices=(checked,)))
    assert decision.places["ada/"].reason == (
        "A matching GPU cannot be granted yet. It is being checked after its last session."
    )


def test_nothing_is_granted_while_the_lab_is_held() -> None:
    decision = decide(
        lab(ask("ada"), ask("bob", 0), ask("cy", when_busy=WhenBusy.FAIL), gate="Wait.")
    )
    assert not decision.grants
    assert not decision.refusals
    assert {place.reason for place in decision.places.values()} == {"Wait."}


def test_when_busy_fail_is_refused_at_once_with_what_to_do() -> None:
    decision = decide(lab(ask("ada", when_busy=WhenBusy.FAIL), leases=[lease("x", *LAB)]))
    denial = decision.refusals["ada/"]
    assert denial.reason == "busy"
    assert denial.message == ("All matching GPUs are in use. Try again later, or choose to wait.")


def test_when_busy_cpu_starts_without_a_gpu() -> None:
    decision = decide(lab(ask("ada", when_busy=WhenBusy.CPU), leases=[lease("x", *LAB)]))
    assert granted(decision) == {"ada": 0}


@pytest.mark.parametrize("when_busy", [WhenBusy.FAIL, WhenBusy.CPU])
def test_a_gpu_that_is_checked_after_its_last_session_is_not_busy(when_busy: WhenBusy) -> None:
    snapshot = lab(ask("ada", when_busy=when_busy), leases=[lease("x", LAB[0])])
    checked = replace(
        snapshot.devices[1],
        grantable=False,
        cooling_down=True,
        reason="It is being checked after its last session.",
    )
    decision = decide(replace(snapshot, devices=(snapshot.devices[0], checked)))
    assert decision.places["ada/"].reason == (
        "A matching GPU cannot be granted yet. It is being checked after its last session."
    )
    assert granted(decide(snapshot)) == {"ada": 1}


def test_who_does_not_wait_gets_no_checked_gpu_that_somebody_ahead_waits_for() -> None:
    snapshot = lab(ask("ada"), ask("bob", when_busy=WhenBusy.FAIL), gpus=LAB[:1])
    checked = replace(snapshot.devices[0], grantable=False, cooling_down=True)
    decision = decide(replace(snapshot, devices=(checked,)))
    assert list(decision.places) == ["ada/"]
    assert decision.refusals["bob/"].reason == "busy"


def test_who_does_not_wait_does_not_wait_for_what_is_held_up_without_an_end_in_sight() -> None:
    snapshot = lab(ask("ada", when_busy=WhenBusy.FAIL), gpus=LAB[:1])
    unread = replace(snapshot.devices[0], grantable=False, reason="The agent is silent.")
    decision = decide(replace(snapshot, devices=(unread,)))
    assert decision.refusals["ada/"].reason == "busy"


def test_a_request_that_does_not_wait_keeps_nothing_for_itself() -> None:
    decision = decide(
        lab(ask("big", 2, when_busy=WhenBusy.CPU), ask("small"), leases=[lease("x", LAB[0])])
    )
    assert granted(decision) == {"big": 0, "small": 1}


def test_a_server_whose_former_container_still_stops_waits_and_blocks_nobody() -> None:
    former = replace(lease("ada", LAB[0]), state=LeaseState.STOPPING)
    decision = decide(lab(ask("ada"), ask("bob"), leases=[former]))
    assert granted(decision) == {"bob": 1}
    assert "previous container" in decision.places["ada/"].reason


def test_a_session_ends_when_the_quota_says() -> None:
    (grant,) = decide(lab(ask("ada"), quota=Quota(max_session_hours=2.0))).grants
    assert grant.expires_at == NOW + 7200
    (grant,) = decide(lab(ask("ada"), quota=Quota(max_session_hours=None))).grants
    assert grant.expires_at is None


def test_the_expected_start_follows_the_ends_of_the_leases_in_the_way() -> None:
    leases = [lease("x", LAB[0], hours=3), lease("y", LAB[1], hours=1)]
    quota = Quota(max_gpus=2, max_session_hours=1.0)
    decision = decide(lab(ask("a"), ask("b"), ask("c"), leases=leases, quota=quota))
    starts = [place.expected_start for place in decision.places.values()]
    assert starts == [NOW + 3600, NOW + 7200, NOW + 10800]


def test_who_asks_for_a_model_is_told_a_start_after_others_found_nothing_of_it_free() -> None:
    """Both look at the same places, and what the first found must not make them impossible."""
    gpus = [LAB[0], replace(LAB[1], model="another")]
    leases = [lease("x", gpus[0], hours=3), lease("y", gpus[1], hours=1)]
    requests = [ask("any"), ask("model", gpu_model=gpus[0].model)]
    decision = decide(lab(*requests, leases=leases, gpus=gpus))
    starts = [place.expected_start for place in decision.places.values()]
    assert starts == [NOW + 3600, NOW + 3 * 3600]


def test_no_start_is_promised_behind_a_lease_without_an_end() -> None:
    leases = [lease("x", *LAB, hours=None)]
    (place,) = decide(lab(ask("a"), leases=leases)).places.values()
    assert place.expected_start is None


def test_what_can_never_be_is_refused_with_what_to_do() -> None:
    effective = resolve(Quota(max_gpus=9))
    for request, words in [
        (ask("a", 3), "has that many matching GPUs"),
        (ask("a", gpu_model="*H100*"), "This lab has: NVIDIA A100-SXM4-40GB."),
        (ask("a", share=Share.SHARED), "does not share GPUs"),
        (ask("a", -1), "Ask for 0 or more"),
    ]:
        denial = refuse(request, effective, lab())
        assert denial is not None
        assert words in denial.message
    denial = refuse(ask("a"), resolve(Quota(gpu_models=("*H100*",))), lab())
    assert denial is not None
    assert "Your quota allows only *H100*" in denial.message


def test_a_lab_without_gpus_says_so_but_an_unknown_one_lets_wait() -> None:
    effective = resolve(Quota())
    denial = refuse(ask("a"), effective, lab(gpus=[]))
    assert denial is not None
    assert "has no GPU" in denial.message
    assert refuse(ask("a"), effective, lab(gpus=[], inventory_known=False)) is None
    assert refuse(ask("a", when_busy=WhenBusy.CPU), effective, lab(gpus=[])) is None
    assert refuse(ask("a", 0), effective, lab(gpus=[])) is None


# Passing where it delays nobody.


def two(hours: float | None) -> list[Lease]:
    return [lease("x", LAB[0], hours=hours)]


def test_a_short_session_passes_on_a_gpu_that_is_booked_for_later() -> None:
    big, small = ask("big", 2), ask("small")
    snapshot = lab(big, small, leases=two(5), quota=Quota(max_gpus=2, max_session_hours=4))
    decision = decide(snapshot)
    (grant,) = decision.grants
    assert grant.request is small
    assert grant.backfilled
    assert grant.latest_end == NOW + 4 * 3600
    assert decision.places["big/"].expected_start == NOW + 5 * 3600


def test_a_session_that_would_still_be_there_does_not_pass() -> None:
    quota = Quota(max_gpus=2, max_session_hours=6)
    assert granted(decide(lab(ask("big", 2), ask("small"), leases=two(5), quota=quota))) == {}


def test_how_long_a_session_may_be_extended_counts_and_not_how_long_it_is_at_first() -> None:
    quota = Quota(max_gpus=2, max_session_hours=6, session_hours=1)
    assert granted(decide(lab(ask("big", 2), ask("small"), leases=two(5), quota=quota))) == {}


def test_a_session_without_an_end_never_passes_on_a_booked_gpu() -> None:
    quota = Quota(max_gpus=2, max_session_hours=None)
    snapshot = lab(ask("big", 2), ask("small"), leases=two(None), quota=quota)
    assert granted(decide(snapshot)) == {}


def test_nothing_is_promised_where_nobody_is_passed() -> None:
    assert [g.backfilled for g in decide(lab(ask("ada"), ask("bob"))).grants] == [False, False]


def test_in_strict_order_nobody_passes() -> None:
    quota = Quota(max_gpus=2, max_session_hours=4)
    snapshot = lab(ask("big", 2), ask("small"), leases=two(5), quota=quota)
    assert granted(decide(snapshot, backfill=False)) == {}


def test_gpus_beyond_those_that_are_booked_are_for_whoever_comes_next() -> None:
    hosts = [gpu(n, host=f"host{n // 2}") for n in range(4)]
    held = [lease("x", hosts[0], hours=1), lease("y", hosts[2], hours=9)]
    decision = decide(lab(ask("big", 2), ask("small"), leases=held, gpus=hosts))
    (grant,) = decision.grants
    assert grant.gpu_uuids == (hosts[3].uuid,)
    assert not grant.backfilled


# Sessions' ends, limits of hours and of groups.


def test_a_session_lasts_as_long_as_the_quota_says_unless_it_is_extended() -> None:
    quota = Quota(session_hours=2.0, max_session_hours=8.0)
    (grant,) = decide(lab(ask("ada"), quota=quota)).grants
    assert (grant.expires_at, grant.latest_end) == (NOW + 2 * 3600, NOW + 8 * 3600)
    (grant,) = decide(lab(ask("a"), quota=Quota(session_hours=9.0, max_session_hours=8.0))).grants
    assert (grant.expires_at, grant.latest_end) == (NOW + 8 * 3600, NOW + 8 * 3600)
    (grant,) = decide(lab(ask("a"), quota=Quota(session_hours=9.0, max_session_hours=None))).grants
    assert (grant.expires_at, grant.latest_end) == (NOW + 9 * 3600, None)


def test_a_groups_cap_holds_within_one_round_and_keeps_nobody_else_waiting() -> None:
    members = [replace(ask(user), groups=("course",)) for user in ("ada", "bob", "cy")]
    snapshot = lab(*members, ask("di"), gpus=[gpu(n) for n in range(5)])
    capped = tuple(
        replace(item, effective=replace(item.effective, caps=(Cap("course", max_gpus=2),)))
        if item.request.groups
        else item
        for item in snapshot.waiting
    )
    decision = decide(replace(snapshot, waiting=capped))
    assert granted(decision) == {"ada": 1, "bob": 1, "di": 1}
    assert "The members of the group course use 2 of the 2 GPUs" in decision.places["cy/"].reason


# Shared GPUs.


def shared(*slots: int, **rest: object) -> Snapshot:
    """Make a lab of GPUs with so many slots each; a request is ``requests=``."""
    snapshot = lab(*rest.pop("requests"), gpus=[gpu(n) for n in range(len(slots))], **rest)
    return replace(
        snapshot,
        devices=tuple(
            replace(item, slots=count) for item, count in zip(snapshot.devices, slots, strict=True)
        ),
    )


def slot_of(user: str) -> Request:
    return ask(user, share=Share.SHARED)


def test_slots_of_the_fullest_shared_gpu_come_first() -> None:
    held = [lease("x", gpu(1), slot=1, slots=2)]
    decision = decide(shared(2, 2, requests=[slot_of(u) for u in "abcd"], leases=held))
    assert [(g.gpu_uuids[0], g.slot, g.slots) for g in decision.grants] == [
        (gpu(1).uuid, 0, 2),
        (gpu(0).uuid, 0, 2),
        (gpu(0).uuid, 1, 2),
    ]
    assert decision.places["d/"].reason == "All matching slots of shared GPUs are in use."
    assert decision.places["d/"].expected_start == NOW + 3600


def test_a_shared_gpu_is_given_to_nobody_as_a_whole_and_a_whole_one_is_not_shared() -> None:
    decision = decide(shared(2, 1, requests=[ask("a"), ask("b"), slot_of("c")]))
    assert {g.request.user: g.gpu_uuids for g in decision.grants} == {
        "a": (gpu(1).uuid,),
        "c": (gpu(0).uuid,),
    }


def test_a_lease_of_other_slots_than_the_gpu_has_now_holds_all_of_it() -> None:
    held = [lease("x", gpu(0), slot=0, slots=4)]
    assert granted(decide(shared(2, requests=[slot_of("a")], leases=held))) == {}
    assert granted(decide(shared(1, requests=[ask("a")], leases=held))) == {}


def test_shared_requests_that_cannot_be_are_refused() -> None:
    snapshot = shared(2, requests=[])
    effective = resolve(Quota(max_gpus=4))
    for request, words in [
        (ask("a", 2, share=Share.SHARED), "at most one slot of one shared GPU"),
        (ask("a"), "All GPUs of this lab are shared"),
        (ask("a", share=Share.SHARED, gpu_model="*H100*"), "No shared GPU of this lab matches"),
    ]:
        denial = refuse(request, effective, snapshot)
        assert denial is not None
        assert words in denial.message
    assert refuse(slot_of("a"), effective, snapshot) is None


# What people read.


def test_gpus_out_of_service_are_mentioned_where_they_would_fit() -> None:
    snapshot = lab(ask("ada"), leases=[lease("x", LAB[0])])
    drained = replace(
        snapshot.devices[1], state=GPUState.DRAINING, grantable=False, in_service=False
    )
    decision = decide(replace(snapshot, devices=(snapshot.devices[0], drained)))
    assert decision.places["ada/"].reason == (
        "All matching GPUs are in use. 1 more is out of service."
    )


def test_only_those_ahead_that_want_the_same_gpus_are_counted() -> None:
    other = gpu(5, "NVIDIA T4")
    decision = decide(
        lab(
            ask("ada", gpu_model="*T4*"),
            ask("bob", 2, gpu_model="*A100*"),
            ask("cy", gpu_model="*A100*"),
            leases=[lease("x", LAB[0]), lease("y", other)],
            gpus=[*LAB, other],
        )
    )
    assert decision.places["cy/"].reason == (
        "1 request is ahead of this one for the matching GPUs."
    )


def test_gpus_that_are_not_in_one_host_are_told_as_such() -> None:
    lab_of_two = [gpu(n, host=f"host{n // 2}") for n in range(4)]
    held = [lease("x", lab_of_two[0]), lease("y", lab_of_two[2])]
    decision = decide(lab(ask("ada", 2), leases=held, gpus=lab_of_two))
    assert decision.places["ada/"].reason == (
        "This server needs 2 GPUs on one host; 2 matching GPUs are free, but not all on one host."
    )


SLICES = [mig_slice(10, gpu(0)), mig_slice(11, gpu(0)), mig_slice(12, gpu(0))]
ONE_SLICE = "A server gets at most one MIG slice, because a CUDA process can use only one."


def test_a_server_gets_one_slice_at_most() -> None:
    assert decide(lab(ask("a"), gpus=SLICES)).grants
    for model in (None, "*MIG*"):
        denial = refuse(ask("a", 2, gpu_model=model), resolve(Quota(max_gpus=4)), lab(gpus=SLICES))
        assert denial is not None
        assert denial.reason == "impossible"
        assert ONE_SLICE in denial.message
    # Nor a slice together with a whole GPU, which CUDA would not show it.
    denial = refuse(ask("a", 2), resolve(Quota(max_gpus=4)), lab(gpus=[*SLICES, gpu(1)]))
    assert denial is not None
    assert ONE_SLICE in denial.message
    assert refuse(ask("a", 2), resolve(Quota(max_gpus=4)), lab(gpus=[*SLICES, *LAB])) is None


def test_several_gpus_are_whole_ones_and_wait_for_them() -> None:
    two, three = gpu(1), gpu(2)
    decision = decide(lab(ask("a", 2), gpus=[*SLICES, two, three]))
    assert decision.grants[0].gpu_uuids == (two.uuid, three.uuid)
    waiting = decide(lab(ask("a", 2), gpus=[*SLICES, two, three], leases=[lease("b", two)]))
    assert waiting.places["a/"].reason.endswith(ONE_SLICE)
    # A request from before the slices were made.
    waiting = decide(lab(ask("a", 2), gpus=SLICES))
    assert waiting.places["a/"].reason == (
        f"This server needs 2 GPUs, and all that match are MIG slices. {ONE_SLICE}"
    )
    refused = decide(lab(ask("a", 2, when_busy=WhenBusy.FAIL), gpus=SLICES))
    assert ONE_SLICE in refused.refusals["a/"].message


def test_a_request_for_several_gpus_keeps_nobody_from_a_slice() -> None:
    decision = decide(
        lab(ask("a", 2), ask("b"), gpus=[SLICES[0], *LAB[1:], gpu(2)], leases=[lease("c", gpu(2))])
    )
    assert [grant.request.user for grant in decision.grants] == ["b"]
