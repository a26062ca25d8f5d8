"""The doctor compares CDI specification, driver and lab, device by device."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from doubles.inventory import gpu, mig_slice, uuid
from gpudock.broker import GPUStatus
from gpudock.config.remedies import GENERATE_CDI
from gpudock.doctor.devices import Device, compare_devices, driver_devices, examine_driver
from gpudock.doctor.finding import Finding, Level, as_text
from gpudock.doctor.host import Host
from gpudock.doctor.lab import examine_devices
from gpudock.model import GPU, GPUReading, GPUState, InventoryReading, Telemetry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NOW = 100_000.0
PARENT = gpu(9)
SLICE = mig_slice(1, PARENT)

SMI = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-00000000-0000-4000-8000-000000000000)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-00000001-0000-4000-8000-000000000001)
  MIG 1g.5gb      Device  0: (UUID: MIG-00000002-0000-4000-8000-000000000002)
GPU 2: NVIDIA A100-SXM4-40GB (UUID: GPU-00000003-0000-4000-8000-000000000003)
"""
MODES = """\
GPU-00000000-0000-4000-8000-000000000000, Disabled
GPU-00000001-0000-4000-8000-000000000001, Enabled
GPU-00000003-0000-4000-8000-000000000003, [N/A]
"""


def device(number: int) -> Device:
    return Device(uuid(number), f"GPU {number} (NVIDIA A100)")


def devices(*numbers: int) -> list[Device]:
    return [device(number) for number in numbers]


def names(*numbers: int) -> list[str]:
    """Return a CDI specification's names of these GPUs, by UUID and by number."""
    return [name for number in numbers for name in (str(number), uuid(number))] + ["all"]


def levels(findings: list[Finding]) -> list[Level]:
    return [finding.level for finding in findings]


def test_the_same_devices_everywhere_are_one_line():
    (finding,) = compare_devices(names(0, 1), devices(0, 1), devices(1, 0))
    assert finding.level is Level.OK
    assert finding.text == "The CDI specification, the driver and the lab have the same 2 devices."


def test_a_device_that_the_specification_lacks_is_named_with_the_command():
    """The specification was written before the GPU or the MIG slice was there."""
    (finding,) = compare_devices(names(0), devices(0, 1), devices(0, 1))
    assert finding.level is Level.PROBLEM
    assert finding.text.startswith(f"GPU 1 (NVIDIA A100), {uuid(1)}, is reported by the driver")
    assert "not in the engine's CDI specification" in finding.text
    assert f'Run "{GENERATE_CDI}".' in finding.remedy
    assert "gpudock gpu return --all" in finding.remedy


def test_a_device_that_only_the_specification_has_is_named():
    (finding,) = compare_devices(names(0, 7), devices(0), devices(0))
    assert finding.level is Level.HINT
    assert f"has {uuid(7)}, but the driver does not report this GPU any more" in finding.text
    assert finding.remedy == f'Run "{GENERATE_CDI}".'


def test_a_gpu_that_was_cut_into_slices_since_then():
    driver = [Device(SLICE.uuid, "slice", PARENT.uuid)]
    found = compare_devices([PARENT.uuid, "all"], driver, driver)
    assert levels(found) == [Level.PROBLEM, Level.HINT]
    assert SLICE.uuid in found[0].text
    assert f"has {PARENT.uuid}, which is cut into MIG slices now" in found[1].text


def test_a_gpu_beside_its_slices_is_no_difference():
    driver = [Device(SLICE.uuid, "slice", PARENT.uuid)]
    (finding,) = compare_devices([PARENT.uuid, SLICE.uuid, "all"], driver, driver)
    assert finding.level is Level.OK


def test_a_slice_that_was_removed_since_then():
    (finding,) = compare_devices([SLICE.uuid, *names(0)], devices(0), devices(0))
    assert "does not report this MIG slice any more" in finding.text


def test_devices_that_the_lab_and_the_driver_do_not_share_are_named():
    found = compare_devices(names(0, 1), devices(0, 1), devices(0, 2))
    assert levels(found) == [Level.PROBLEM, Level.HINT]
    assert f"GPU 1 (NVIDIA A100), {uuid(1)}, is reported by the driver" in found[0].text
    assert "not in the lab's list" in found[0].text
    assert f"GPU 2 (NVIDIA A100), {uuid(2)}, is in the lab's list" in found[1].text
    assert f"gpudock gpu forget {uuid(2)}" in found[1].remedy


def test_each_difference_is_a_finding_of_its_own():
    found = compare_devices(names(0, 5, 6), devices(0, 1, 2), devices(0, 1, 2))
    assert levels(found) == [Level.PROBLEM] * 2 + [Level.HINT] * 2
    assert [Finding.of_document(json.loads(json.dumps(item.document()))) for item in found] == found
    shown = as_text(found)
    assert all(uuid(number) in shown for number in (1, 2, 5, 6))


def test_uuids_are_compared_without_regard_to_case():
    (finding,) = compare_devices([uuid(0).upper()], devices(0), devices(0))
    assert finding.level is Level.OK


def test_a_device_that_the_driver_reports_as_faulty_need_not_be_listed():
    faulty = Device(uuid(1), "GPU 1", fit=False)
    (finding,) = compare_devices(names(0), [device(0), faulty], [device(0), faulty])
    assert finding.level is Level.OK


def test_without_a_specification_driver_and_lab_are_compared():
    (finding,) = compare_devices(None, devices(0), devices(0))
    assert finding.text == "The driver and the lab have the same device."


def status(item: GPU) -> GPUStatus:
    return GPUStatus(item, GPUState.FREE, None, None, Telemetry(), NOW)


def test_the_readings_of_the_agent_are_what_the_driver_has():
    readings = tuple(GPUReading(item) for item in (gpu(0), SLICE))
    reading = InventoryReading(NOW, readings)
    statuses = [status(gpu(0)), status(SLICE)]
    (finding,) = examine_devices([uuid(0), SLICE.uuid], reading, statuses)
    assert finding.level is Level.OK
    (finding,) = examine_devices([uuid(0)], reading, statuses)
    assert SLICE.uuid in finding.text


def test_a_reading_that_failed_is_compared_with_nothing():
    reading = InventoryReading(NOW, (GPUReading(gpu(0)),), problem="The agent is down.")
    assert examine_devices([], reading, [status(gpu(0))]) == []
    assert examine_devices([], InventoryReading(NOW), []) == []


def host(tmp_path: Path, smi: str | None) -> Host:
    def run(command: Sequence[str]) -> str | None:
        return smi if command[-1] == "-L" else MODES

    return Host(tmp_path, run)


def test_a_server_whose_lab_does_not_run_is_compared_with_its_driver(tmp_path):
    assert driver_devices(host(tmp_path, SMI)) == [
        Device(uuid(0), "GPU 0 (NVIDIA A100-SXM4-40GB)"),
        Device(uuid(2, "MIG"), "The MIG slice 1g.5gb of GPU 1", uuid(1)),
        Device(uuid(3), "GPU 2 (NVIDIA A100-SXM4-40GB)"),
    ]
    (finding,) = examine_driver([uuid(0), uuid(3)], host(tmp_path, SMI))
    assert finding.level is Level.PROBLEM
    assert f"The MIG slice 1g.5gb of GPU 1, {uuid(2, 'MIG')}, is reported" in finding.text


def test_a_driver_that_lists_nothing_is_compared_with_nothing(tmp_path):
    for said in (None, "Failed to initialize NVML: Driver/library version mismatch\n"):
        (finding,) = examine_driver([uuid(0)], host(tmp_path, said))
        assert finding.level is Level.UNKNOWN
