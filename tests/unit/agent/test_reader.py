"""What the agent makes of NVML's values."""

from __future__ import annotations

import pytest

from gpudock.agent.messages import device_message
from gpudock.agent.reader import Reader
from gpudock.model import GPU, GPUProcess, Telemetry
from gpudock_nvml import failures
from gpudock_nvml.failures import Failure, Meaning
from gpudock_nvml.values import Memory, RowRemapping, SliceShape
from unit.agent.fake_client import (
    NOT_SUPPORTED,
    Card,
    SteadyClient,
    running,
    slice_card,
    uuid_of,
)

LOST = Failure(failures.GPU_IS_LOST)
UNKNOWN = Failure(failures.UNKNOWN)


def reader_of(*cards, sees_all_processes=True):
    client = SteadyClient(*cards)
    return Reader(
        client, "node1", sees_all_processes=sees_all_processes, clock=lambda: 1000.0
    ), client


def test_all_values_of_a_device_come_in_the_units_of_the_model():
    card = Card(uuid_of(1), compute_processes=(running(7, 512), running(9, None)))
    reader, client = reader_of(card)
    client.names = {7: "python3"}
    report = reader.read()
    (reading,) = report.readings
    assert report.problem is None
    assert report.taken_at == 1000.0
    assert (report.driver_version, report.cuda_version) == ("550.54.15", "12.4")
    assert reading.gpu == GPU(uuid_of(1), 0, "node1", "NVIDIA A100-SXM4-40GB", 40960)
    assert reading.telemetry == Telemetry(
        utilization_percent=7,
        memory_used_mib=3,
        temperature_c=41,
        power_w=61.5,
        power_limit_w=400.0,
        processes=(GPUProcess(7, 512, "python3"), GPUProcess(9, None, None)),
    )
    assert reading.fault is None
    assert not reading.lost


def test_what_a_device_does_not_support_is_none_and_no_fault():
    card = Card(uuid_of(1))
    for name in ("utilization", "temperature", "power", "power_limit", "compute_processes"):
        setattr(card, name, NOT_SUPPORTED)
    for name in ("uncorrected_errors", "row_remapping", "mig_enabled"):
        setattr(card, name, Failure(failures.FUNCTION_NOT_FOUND))
    reading = reader_of(card)[0].read().readings[0]
    assert reading.telemetry == Telemetry(memory_used_mib=3)
    assert reading.fault is None


def test_no_gpu_is_a_result_and_no_problem():
    report = reader_of()[0].read()
    assert report.readings == ()
    assert report.problem is None


def test_a_process_in_both_lists_is_one_process():
    card = Card(
        uuid_of(1), compute_processes=(running(5, 70),), graphics_processes=(running(5, 70),)
    )
    processes = reader_of(card)[0].read().readings[0].telemetry.processes
    assert processes == (GPUProcess(5, 70),)


def test_a_process_that_only_draws_is_told_from_those_that_compute():
    card = Card(uuid_of(1), graphics_processes=(running(6, 20),))
    drawing = GPUProcess(6, 20, computes=False)
    assert reader_of(card)[0].read().readings[0].telemetry.processes == (drawing,)


@pytest.mark.parametrize("present", [True, False])
def test_gpus_of_the_simulated_library_are_simulated(tmp_path, monkeypatch, present):
    state = tmp_path / "state"
    if present:
        state.touch()
    monkeypatch.setattr("gpudock_nvml.simulated.STATE_FILE", state)
    card = Card(uuid_of(1), mig_enabled=True, slices=[slice_card(10)])
    readings = reader_of(card)[0].read().readings
    assert [item.simulated for item in readings] == [present, present]


def test_device_nodes_and_slices_have_their_numbers():
    # A number without a slice is left out.
    parts = [slice_card(10), Failure(failures.NOT_FOUND), slice_card(11)]
    cards = [Card(uuid_of(1), minor=4, mig_enabled=True, slices=parts), Card(uuid_of(2))]
    readings = reader_of(*cards)[0].read().readings
    assert [(item.minor, item.mig_number) for item in readings] == [
        (4, None),
        (4, 0),
        (4, 2),
        (None, None),
    ]


@pytest.mark.parametrize(
    ("changes", "may_pass"),
    [
        ({"power": Failure(failures.UNKNOWN)}, True),
        ({"power": Failure(failures.TIMEOUT), "temperature": Failure(failures.UNKNOWN)}, True),
        ({"power": Failure(failures.RESET_REQUIRED)}, False),
        ({"power": Failure(failures.INSUFFICIENT_POWER)}, False),
        ({"power": Failure(failures.GPU_IS_LOST)}, False),
        (
            {"utilization": Failure(failures.RESET_REQUIRED), "power": Failure(failures.UNKNOWN)},
            False,
        ),
        ({"uncorrected_errors": 1}, False),
        ({"uncorrected_errors": 1, "power": Failure(failures.UNKNOWN)}, False),
        ({"row_remapping": RowRemapping(pending=False, failed=True)}, False),
        ({}, False),
    ],
)
def test_only_an_error_of_the_driver_may_pass(changes, may_pass):
    card = Card(uuid_of(1), mig_enabled=True, slices=[slice_card(10)], **changes)
    for reading in reader_of(card)[0].read().readings:
        assert (reading.fault is not None) == bool(changes)
        assert reading.fault_may_pass is may_pass


@pytest.mark.parametrize(("failure", "may_pass"), [(UNKNOWN, True), (LOST, False)])
def test_a_gpu_that_cannot_be_identified_is_remembered_with_its_numbers(failure, may_pass):
    card = Card(uuid_of(1), minor=4, mig_enabled=True, slices=[slice_card(10)])
    reader, client = reader_of(card)
    reader.read()
    client.cards[0] = failure
    whole, part = reader.read().readings
    assert (whole.minor, part.minor, part.mig_number) == (4, 4, 0)
    assert part.fault is not None
    assert part.fault_may_pass is may_pass


def test_processes_are_unknown_when_the_agent_cannot_see_those_of_containers():
    card = Card(uuid_of(1), compute_processes=())
    reader, _ = reader_of(card, sees_all_processes=False)
    assert reader.read().readings[0].telemetry.processes is None


def test_a_process_is_asked_for_its_name_once():
    card = Card(uuid_of(1), compute_processes=(running(5),))
    reader, client = reader_of(card)
    for _ in range(3):
        reader.read()
    assert client.calls.count("process_name") == 1


def test_a_pid_that_comes_back_is_asked_for_its_name_again():
    card = Card(uuid_of(1), compute_processes=(running(5),))
    reader, client = reader_of(card)
    client.names = {5: "first"}
    reader.read()
    card.compute_processes = ()
    reader.read()
    reader.read()
    client.names = {5: "second"}
    card.compute_processes = (running(5),)
    assert reader.read().readings[0].telemetry.processes[0].name == "second"


@pytest.mark.parametrize("value", ["utilization", "memory", "compute_processes", "mig_enabled"])
@pytest.mark.parametrize("code", [failures.UNKNOWN, failures.TIMEOUT, failures.RESET_REQUIRED])
def test_any_other_failure_is_a_fault_of_that_device_alone(value, code):
    ill, well = Card(uuid_of(1)), Card(uuid_of(2))
    reader, _ = reader_of(ill, well)
    reader.read()
    setattr(ill, value, Failure(code))
    report = reader.read()
    assert report.problem is None
    assert [r.fault is None for r in report.readings] == [False, True]
    assert not report.readings[0].lost
    assert report.readings[0].gpu.uuid == uuid_of(1)


@pytest.mark.parametrize("where", ["handle", "uuid", "memory"])
def test_a_lost_device_stays_in_the_report_with_its_name_and_without_values(where):
    card, other = Card(uuid_of(1)), Card(uuid_of(2))
    reader, client = reader_of(card, other)
    before = reader.read().readings
    if where == "handle":
        client.cards[0] = LOST
    else:
        setattr(card, where, LOST)
    reading, unharmed = reader.read().readings
    assert reading.gpu == before[0].gpu
    assert reading.lost
    assert "fell off the bus" in reading.fault
    assert reading.telemetry == Telemetry()
    assert unharmed == before[1]


def test_a_device_that_was_lost_from_the_start_is_reported_without_a_name():
    reader, _ = reader_of(LOST, Card(uuid_of(2)))
    report = reader.read()
    assert [r.gpu.uuid for r in report.readings] == [uuid_of(2)]
    assert report.problem is None
    (sentence,) = report.unidentified
    assert sentence.startswith("GPU number 0 cannot be identified.")


def test_a_lost_device_is_not_taken_for_the_one_that_moved_to_its_number():
    first, second = Card(uuid_of(1)), Card(uuid_of(2))
    reader, client = reader_of(first, second)
    reader.read()
    client.cards = [second, LOST]
    report = reader.read()
    assert [(r.gpu.uuid, r.gpu.index, r.lost) for r in report.readings] == [(uuid_of(2), 0, False)]
    assert len(report.unidentified) == 1


def test_a_device_that_works_again_is_well_again():
    card = Card(uuid_of(1))
    reader, client = reader_of(card)
    reader.read()
    client.cards[0] = LOST
    assert reader.read().readings[0].lost
    client.cards[0] = card
    reading = reader.read().readings[0]
    assert reading.fault is None
    assert not reading.lost


def test_after_a_fault_the_library_is_opened_again_less_and_less_often():
    card = Card(uuid_of(1), power=UNKNOWN)
    reader, client = reader_of(card)
    opened_before_round = []
    for number in range(200):
        opens = client.calls.count("open")
        reader.read()
        if client.calls.count("open") > opens:
            opened_before_round.append(number)
    assert opened_before_round == [0, 5, 15, 35, 75, 135, 195]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (failures.LIBRARY_NOT_FOUND, "libnvidia-ml.so.1"),
        (failures.DRIVER_NOT_LOADED, "not loaded"),
        (failures.LIB_RM_VERSION_MISMATCH, "different versions"),
        (failures.UNKNOWN, "999"),
        (failures.NO_PERMISSION, "NVML error 4"),
    ],
)
def test_a_library_that_does_not_open_is_a_problem_and_is_tried_again(code, words):
    reader, client = reader_of(Card(uuid_of(1)))
    client.opening = Failure(code)
    report = reader.read()
    assert words in report.problem
    assert report.taken_at is None
    client.opening = None
    assert reader.read().problem is None


def test_a_library_that_fails_is_tried_less_and_less_often():
    reader, client = reader_of(Card(uuid_of(1)))
    client.opening = Failure(failures.DRIVER_NOT_LOADED)
    for _ in range(36):
        reader.read()
    assert client.calls.count("open") == 7  # rounds 0, 1, 3, 7, 15, 25, 35


def test_a_driver_that_goes_away_leaves_the_last_known_devices():
    card = Card(uuid_of(1))
    reader, _ = reader_of(card)
    before = reader.read()
    card.utilization = Failure(failures.LIB_RM_VERSION_MISMATCH)
    report = reader.read()
    assert "Reboot the host" in report.problem
    assert report.readings == before.readings
    assert report.taken_at == before.taken_at
    card.utilization = 7
    assert reader.read().problem is None


@pytest.mark.parametrize(
    ("value", "state", "words"),
    [
        ("uncorrected_errors", 3, "3 memory errors"),
        ("row_remapping", RowRemapping(pending=False, failed=True), "no spare ones"),
        ("page_retirement_pending", True, "retired at its next reset"),
    ],
)
def test_memory_that_cannot_be_trusted_is_a_fault(value, state, words):
    reading = reader_of(Card(uuid_of(1), **{value: state}))[0].read().readings[0]
    assert words in reading.fault
    assert reading.telemetry.utilization_percent == 7


def test_a_row_replacement_that_is_only_pending_is_no_fault():
    card = Card(uuid_of(1), row_remapping=RowRemapping(pending=True, failed=False))
    assert reader_of(card)[0].read().readings[0].fault is None


def test_memory_errors_are_noticed_within_ten_rounds():
    card = Card(uuid_of(1))
    reader, _ = reader_of(card)
    reader.read()
    card.uncorrected_errors = 1
    assert any(reader.read().readings[0].fault for _ in range(10))
    card.uncorrected_errors = 0
    assert any(reader.read().readings[0].fault is None for _ in range(10))


def test_a_failing_question_for_errors_is_a_fault_in_every_round():
    card = Card(uuid_of(1), uncorrected_errors=UNKNOWN)
    reader, _ = reader_of(card)
    assert all(reader.read().readings[0].fault for _ in range(12))


def test_a_divided_gpu_is_marked_and_its_slices_are_devices():
    parts = [slice_card(10, instances=(7, 0)), slice_card(11, "2g.10gb", instances=(3, 0))]
    parts[0].compute_processes = (running(5, 8, (7, 0)), running(6, 8, (3, 0)))
    card = Card(uuid_of(1), mig_enabled=True, slices=parts, utilization=NOT_SUPPORTED)
    report = reader_of(card)[0].read()
    whole, one, two = report.readings
    assert report.mig_enabled == {uuid_of(1)}
    assert whole.telemetry.processes is None
    assert whole.fault is None
    assert one.gpu == GPU(
        uuid_of(10, "MIG"),
        0,
        "node1",
        "NVIDIA A100-SXM4-40GB MIG 1g.5gb",
        4864,
        parent_uuid=uuid_of(1),
        mig_profile="1g.5gb",
    )
    assert two.gpu.mig_profile == "2g.10gb"
    assert one.telemetry == Telemetry(
        memory_used_mib=12, temperature_c=41, processes=(GPUProcess(5, 8),)
    )
    assert (one.fault, one.lost) == (None, False)


@pytest.mark.parametrize(
    ("shape", "total", "profile"),
    [
        (SliceShape(1, 1, 4864), 40960, "1g.5gb"),
        (SliceShape(3, 3, 19968), 40960, "3g.20gb"),
        (SliceShape(2, 1, 9856), 40960, "1c.2g.10gb"),
        (SliceShape(7, 7, 80896), 81559, "7g.80gb"),
        (SliceShape(1, 1, 9984), 81559, "1g.10gb"),
    ],
)
def test_a_slice_whose_name_has_no_profile_has_that_of_its_shape(shape, total, profile):
    part = slice_card(10)
    part.name = NOT_SUPPORTED
    part.slice_shape = shape
    card = Card(uuid_of(1), mig_enabled=True, slices=[part], memory=Memory(total, 0))
    assert reader_of(card)[0].read().readings[1].gpu.mig_profile == profile


def test_a_slice_that_was_recut_under_the_same_uuid_has_its_new_shape():
    card = Card(uuid_of(1), mig_enabled=True, slices=[slice_card(10)])
    reader, _ = reader_of(card)
    reader.read()
    card.slices = [slice_card(10, "2g.10gb")]
    card.slices[0].memory = Memory(9856, 0)
    gpu = reader.read().readings[1].gpu
    assert (gpu.mig_profile, gpu.memory_mib) == ("2g.10gb", 9856)


@pytest.mark.parametrize("how", ["power", "handle", "errors"])
def test_a_fault_of_a_gpu_is_a_fault_of_its_slices(how):
    card = Card(uuid_of(1), mig_enabled=True, slices=[slice_card(10)])
    reader, client = reader_of(card)
    reader.read()
    if how == "power":
        card.power = UNKNOWN
    elif how == "handle":
        client.cards[0] = LOST
    else:
        card.uncorrected_errors = 1
        for _ in range(9):
            reader.read()
    report = reader.read()
    assert [r.gpu.uuid for r in report.readings] == [uuid_of(1), uuid_of(10, "MIG")]
    assert report.readings[0].fault == report.readings[1].fault is not None
    assert [r.lost for r in report.readings] == [how == "handle"] * 2


def test_slices_that_were_destroyed_are_gone():
    card = Card(uuid_of(1), mig_enabled=True, slices=[slice_card(10)])
    reader, _ = reader_of(card)
    reader.read()
    card.slices = []
    assert [r.gpu.uuid for r in reader.read().readings] == [uuid_of(1)]
    card.mig_enabled = False
    assert reader.read().mig_enabled == frozenset()


def test_a_code_that_nobody_knows_concerns_the_device():
    assert Failure(12345).meaning is Meaning.DEVICE
    assert "12345" in device_message(Failure(12345), "name")


@pytest.mark.parametrize("failure", [Failure(failures.UNKNOWN), Failure(failures.NO_PERMISSION)])
def test_a_gpu_that_does_not_report_its_mig_mode_keeps_the_one_it_had(failure):
    card = Card(uuid_of(1), mig_enabled=True, slices=[slice_card(10)])
    reader = reader_of(card)[0]
    assert reader.read().mig_enabled == {uuid_of(1)}
    card.mig_enabled = failure
    report = reader.read()
    assert report.mig_enabled == {uuid_of(1)}
    assert [item.gpu.uuid for item in report.readings] == [uuid_of(1), uuid_of(10, "MIG")]
