"""What the spawn form shows, from what is known of lab and user."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from doubles.inventory import gpu, mig_slice
from gpudock.broker import GPUStatus
from gpudock.hub.form import FormView, render_form
from gpudock.hub.options import Offers, SpawnOptions, parse
from gpudock.hub.outlook import Outlook, OutlookKind
from gpudock.model import Denial, GPUState, Lease, QueuePosition, Quota, Request, Telemetry
from gpudock.policy.gpu_health import without_slices
from gpudock.policy.quota.resolve import Cap, Usage, resolve
from gpudock.policy.scheduling.decide import Grant
from gpudock.policy.scheduling.reasons import PREVIOUS_CONTAINER

NOW = 1_000_000.0


def status(number: int, state: GPUState = GPUState.FREE, slots: int = 1, held: int = 0):
    leases = tuple(
        Lease(f"l{number}{n}", "ada", "", "image", (gpu(number).uuid,), NOW, slot=n, slots=slots)
        for n in range(held)
    )
    return GPUStatus(gpu(number), state, None, None, Telemetry(), NOW, leases=leases, slots=slots)


OFFERS = Offers(images={"Notebook": "lab/notebook:1"})


def granted(options: SpawnOptions) -> Grant:
    request = Request("r1", "ada", "", options.gpus, NOW, options.image)
    return Grant(request, tuple(f"GPU-{number}" for number in range(options.gpus)), None)


def form(
    *gpus: GPUStatus,
    quota: Quota | None = None,
    used: Usage | None = None,
    caps: tuple[Cap, ...] = (),
    answer: QueuePosition | Denial | None = None,
    asked: list[SpawnOptions] | None = None,
    **rest: Any,
) -> str:
    """The form's text with its white space in one."""

    def outlook(options: SpawnOptions) -> Outlook:
        if asked is not None:
            asked.append(options)
        return Outlook.of(answer or granted(options), options, NOW)

    effective = replace(resolve(quota or Quota()), used=used or Usage(), caps=caps)
    rest.setdefault("chosen", {})
    view = FormView.of(
        offers=OFFERS, gpus=gpus, quota=effective, outlook=outlook, problem=None, **rest
    )
    return re.sub(r"\s+", " ", render_form(view))


def selected_number(page: str) -> str:
    found = re.search(r'<option value="(\d+)" selected', page)
    assert found is not None
    return found[1]


def test_a_lab_without_shared_gpus_does_not_speak_of_slots():
    page = form(status(0), status(1, GPUState.LEASED))
    assert "<strong>1 of 2</strong> GPUs are free." in page
    assert "slot" not in page
    assert 'name="share"' not in page


def test_a_simulated_gpu_says_so_and_memory_has_the_unit_of_the_other_pages():
    assert "simulated" not in form(status(0))
    page = form(status(0), simulated={gpu(0).uuid})
    assert re.search(r"· 40 GiB</span> <span class=.badge[^>]*>simulated</span>", page), page


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
    page = form(status(0), answer=denial)
    assert "You have used 10 of your 10 GPU-hours" in page
    assert "starts at once" not in page


def test_the_outlook_is_that_of_what_is_chosen():
    asked: list[SpawnOptions] = []
    chosen = {"gpus": 2, "gpu_model": "NVIDIA L4", "when_busy": "cpu", "image": "lab/notebook:1"}
    gpus = [replace(status(n), gpu=replace(gpu(n), model="NVIDIA L4")) for n in range(2)]
    page = form(*gpus, quota=Quota(max_gpus=2), chosen=chosen, asked=asked)
    assert [option.as_user_options() for option in asked] == [{**chosen, "share": "exclusive"}]
    assert "Your server starts at once, with 2 GPUs." in page


@pytest.mark.parametrize(
    ("quota", "used", "caps", "expected"),
    [
        (Quota(max_gpus=2), Usage(gpus=1), (), "1"),
        (Quota(max_gpus=2), Usage(gpus=2), (), "0"),
        (Quota(max_gpus=2), Usage(gpus=3), (), "0"),
        (Quota(max_gpus=2), Usage(gpus=2, stopping=2), (), "2"),
        (Quota(max_gpus=4), Usage(), (Cap("students", max_gpus=1),), "1"),
        (Quota(max_gpus=None), Usage(gpus=2), (), "3"),
    ],
    ids=["one left", "none left", "beyond", "on their way back", "cap of a group", "no limit"],
)
def test_no_number_over_the_limit_is_chosen_beforehand(quota, used, caps, expected):
    gpus = [status(number) for number in range(4)]
    page = form(*gpus, quota=quota, used=used, caps=caps, chosen={"gpus": 3})
    assert selected_number(page) == expected


def test_what_was_just_refused_stays_chosen_and_has_no_second_outlook():
    page = form(
        *(status(number) for number in range(2)),
        quota=Quota(max_gpus=2),
        used=Usage(gpus=1),
        chosen={"gpus": 2},
        refused=True,
        answer=QueuePosition(1, 1, PREVIOUS_CONTAINER),
    )
    assert selected_number(page) == "2"
    assert re.search(r'id="gpudock-outlook"[^>]* hidden ?></p>', page)


def test_a_container_that_is_being_stopped_is_no_place_in_the_queue():
    page = form(status(0), answer=QueuePosition(1, 1, PREVIOUS_CONTAINER))
    assert "is still being stopped. A new start waits for that" in page
    assert "number 1" not in page


def test_without_a_gpu_there_is_no_queue_to_choose_about():
    page = form(status(0), chosen={"gpus": 0})
    assert re.search(r'aria-labelledby="gpudock-busy" data-with-gpus hidden', page)
    assert "Your server starts at once, without a GPU." in page
    assert not re.search(r'aria-labelledby="gpudock-busy" data-with-gpus hidden', form(status(0)))


def test_a_start_that_takes_the_processor_when_all_gpus_are_in_use_shows_so():
    options = parse({"gpus": 1, "when_busy": "cpu"}, OFFERS)
    outlook = Outlook.of(replace(granted(options), gpu_uuids=()), options, NOW)
    assert outlook.kind is OutlookKind.STARTS
    assert outlook.text == (
        "No matching GPU is free, so your server would start at once, without a GPU."
    )


def test_a_form_that_could_not_show_the_gpus_is_not_remembered():
    view = FormView.unavailable(OFFERS, "The lab reads its GPUs.", {"gpus": 1})
    page = re.sub(r"\s+", " ", render_form(view))
    assert '<input type="hidden" name="remember" value="no">' in page
    assert "Your server starts when the GPUs are known and it is your turn." in page
    assert 'name="remember"' not in form(status(0))


def test_servers_that_share_files_say_so():
    page = form(status(0), shares_files=True)
    assert "share the files in <code>/workspace</code>" in page
    assert "Each has its own JupyterLab layout" in page
    assert "share the files" not in form(status(0))


def test_the_form_names_the_server_if_it_has_a_name():
    view = replace(FormView.unavailable(OFFERS, "The lab reads its GPUs.", {}), server="sweep")
    assert 'Server "sweep"' in render_form(view)


def test_the_place_and_when_it_should_be_ones_turn():
    place = QueuePosition(2, 2, "All matching GPUs are in use.", NOW + 90 * 60)
    page = form(status(0, GPUState.LEASED), answer=place)
    assert "you are number 2 in the queue. All matching GPUs are in use." in page
    assert "It should be your turn within 90 minutes." in page


def test_where_others_may_come_first_the_form_shows_a_range_and_why():
    place = QueuePosition(2, 2, "All are in use.", NOW + 90 * 60, NOW + 25 * 3600)
    page = form(status(0, GPUState.LEASED), answer=place)
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
    assert "12.5 of your 100 GPU-hours in 30 days are left." in page


@pytest.mark.parametrize(
    ("usual", "longest", "words"),
    [
        (4, 12, "A session lasts 4 h, extendable to 12 h."),
        (0.5, 2.5, "A session lasts 30 min, extendable to 2.5 h."),
        (4, None, "A session lasts 4 h, extendable without limit."),
        (12, 12, "A session lasts 12 h."),
        (24, 8, "A session lasts 8 h."),
        (None, 1.5, "A session lasts 90 min."),
    ],
)
def test_the_form_shows_how_long_a_session_lasts_and_can_become(usual, longest, words):
    page = form(status(0), quota=Quota(session_hours=usual, max_session_hours=longest))
    assert words in page


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
