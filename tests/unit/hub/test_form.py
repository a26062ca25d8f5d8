"""What the spawn form tells, from what is known of lab and user."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from doubles.inventory import gpu, mig_slice
from gpudock.broker import GPUStatus
from gpudock.hub.form import FormView, render_form
from gpudock.hub.options import Offers
from gpudock.model import Denial, GPUState, Lease, QueuePosition, Quota, Telemetry
from gpudock.policy.gpu_health import without_slices
from gpudock.policy.quota.resolve import Usage, resolve

NOW = 1_000_000.0


def status(number: int, state: GPUState = GPUState.FREE, slots: int = 1, held: int = 0):
    leases = tuple(
        Lease(f"l{number}{n}", "ada", "", "image", (gpu(number).uuid,), NOW, slot=n, slots=slots)
        for n in range(held)
    )
    return GPUStatus(gpu(number), state, None, None, Telemetry(), NOW, leases=leases, slots=slots)


def form(*gpus: GPUStatus, quota: Quota | None = None, used: Usage | None = None, **rest: Any):
    """The form's text with its white space in one."""
    effective = replace(resolve(quota or Quota()), used=used or Usage())
    view = FormView.of(
        offers=Offers(images={"Notebook": "lab/notebook:1"}),
        gpus=gpus,
        quota=effective,
        outlook=rest.pop("outlook", None),
        problem=None,
        chosen=rest.pop("chosen", {}),
        now=NOW,
    )
    return re.sub(r"\s+", " ", render_form(view))


def test_a_lab_without_shared_gpus_does_not_speak_of_slots():
    page = form(status(0), status(1, GPUState.LEASED))
    assert "<strong>1 of 2</strong> GPUs are free." in page
    assert "slot" not in page
    assert 'name="share"' not in page


def test_slots_are_counted_beside_whole_gpus_and_may_be_chosen():
    page = form(status(0), status(1, GPUState.LEASED, slots=4, held=3))
    assert "<strong>1 of 1</strong> GPU is free." in page
    assert "1 of 4 slots free" in page
    assert re.search(r'value="exclusive" checked', page)
    assert "its memory as well" in page or "use its memory" in page


def test_the_last_choice_of_a_slot_is_remembered():
    page = form(status(0), status(1, slots=2), chosen={"share": "shared", "gpus": 1})
    assert re.search(r'value="shared" checked', page)


def test_a_lab_of_shared_gpus_only_gives_slots():
    page = form(status(0, slots=2), status(1, slots=2), quota=Quota(max_gpus=4))
    assert '<input type="hidden" name="share" value="shared">' in page
    assert "4 of 4 slots free" in page
    assert re.findall(r'<option value="(\d+)"', page) == ["0", "1"]


def test_a_shared_gpu_out_of_service_has_no_free_slot():
    broken = replace(status(1, GPUState.QUARANTINED, slots=4), in_service=False)
    assert "0 of 4 slots free, 4 out of service" in form(status(0), broken)


def test_who_would_be_refused_is_told_so_and_not_that_it_starts():
    denial = Denial("hours", "You have used 10 of your 10 GPU-hours of 30 days.")
    page = form(status(0), outlook=denial)
    assert "You have used 10 of your 10 GPU-hours" in page
    assert "starts at once" not in page


def test_the_place_and_when_it_should_be_ones_turn():
    place = QueuePosition(2, 2, "All matching GPUs are in use.", NOW + 90 * 60)
    page = form(status(0, GPUState.LEASED), outlook=place)
    assert "you are number 2 in the queue. All matching GPUs are in use." in page
    assert "It should be your turn within 90 minutes." in page


def test_where_others_may_come_first_the_form_shows_a_range_and_why():
    place = QueuePosition(2, 2, "All are in use.", NOW + 90 * 60, NOW + 25 * 3600)
    page = form(status(0, GPUState.LEASED), outlook=place)
    assert (
        "It should be your turn within 90 minutes, or within 25 hours if users who have used less,"
        " or whose sessions are shorter, come first." in page
    )


def test_limits_are_told_with_what_is_left_of_them():
    page = form(
        status(0),
        quota=Quota(max_gpus=2, gpu_hours=100, session_hours=4),
        used=Usage(gpus=1, gpu_hours=87.5),
    )
    assert "Your limit: 2 GPUs at once. You use 1 now." in page
    assert "12.5 of your 100 GPU-hours in 30 days are left. A session lasts 4 hours." in page


def test_no_limits_are_no_words_about_them():
    page = form(status(0), quota=Quota(max_gpus=None, max_session_hours=None))
    assert "Your limit: none." in page
    assert "session lasts" not in page


def test_a_server_gets_one_slice_at_most_and_the_form_says_why():
    slices = [replace(status(0), gpu=mig_slice(number, gpu(0))) for number in (10, 11, 12)]
    page = form(*slices, quota=Quota(max_gpus=4))
    assert "<strong>3 of 3</strong> GPUs are free." in page
    assert re.findall(r'<option value="(\d+)"', page) == ["0", "1"]
    assert "at most one MIG slice, because a CUDA process can use only one" in page
    mixed = form(*slices, status(1), status(2), quota=Quota(max_gpus=4))
    assert re.findall(r'<option value="(\d+)" ?(?:selected)?>', mixed)[:3] == ["0", "1", "2"]
    assert "MIG" not in form(status(1), status(2))


def test_a_gpu_in_mig_mode_without_slices_is_out_of_service_with_the_reason():
    uncut = replace(
        status(0, GPUState.QUARANTINED), reason=without_slices(gpu(0)), in_service=False
    )
    page = form(uncut, status(1))
    assert "1 of 2 free, 1 out of service" in page
    assert (
        "MIG mode is on without slices: an administrator has to create some or turn it off" in page
    )
