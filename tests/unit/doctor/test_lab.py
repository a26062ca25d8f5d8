"""The findings of ``gpudock doctor`` about a running lab, and their output."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from doubles.inventory import gpu
from gpudock.broker import GPUStatus
from gpudock.config.settings import Settings
from gpudock.doctor.finding import Finding, Level, as_text, has_problems, hint, ok, problem
from gpudock.doctor.lab import (
    examine_inventory,
    examine_one_time_password,
    examine_settings,
    examine_work,
)
from gpudock.model import GPUState, InventoryReading, Lease, LeaseState, Request, Telemetry
from gpudock.policy.gpu_health import without_slices

NOW = 100_000.0
READ = InventoryReading(taken_at=NOW, driver_version="550.54.15")


def status(number: int, state: GPUState, reason: str | None = None) -> GPUStatus:
    return GPUStatus(gpu(number), state, reason, None, Telemetry(), NOW)


def levels(findings: list[Finding]) -> list[Level]:
    return [finding.level for finding in findings]


def test_a_healthy_lab():
    gpus = [status(0, GPUState.FREE), status(1, GPUState.LEASED)]
    assert set(levels(examine_inventory(READ, gpus))) == {Level.OK}
    assert set(levels(examine_work([], [], gpus, NOW))) == {Level.OK}
    assert set(levels(examine_settings(Settings.from_environ({})))) == {Level.OK}


def test_a_lab_without_gpus_is_healthy():
    reading = InventoryReading(None, problem="There is no GPU.", expects_readings=False)
    assert levels(examine_inventory(reading, [])) == [Level.OK]


def test_an_agent_that_is_down():
    reading = InventoryReading(NOW, problem="The agent does not answer.")
    (finding,) = examine_inventory(reading, [status(0, GPUState.QUARANTINED)])
    assert finding.level is Level.PROBLEM
    assert "running sessions continue" in finding.text


def test_each_gpu_out_of_service_is_reported_with_reason_and_fix():
    gpus = [
        status(0, GPUState.QUARANTINED, "A process of somebody else is using it."),
        status(1, GPUState.LOST, "It fell off the bus."),
        status(2, GPUState.DRAINING),
        status(3, GPUState.FREE),
    ]
    findings = examine_inventory(READ, gpus)
    assert levels(findings) == [Level.OK, Level.PROBLEM, Level.PROBLEM, Level.HINT]
    assert "A process of somebody else" in findings[1].text
    assert gpu(0).uuid in findings[1].remedy
    assert "GPU 2" in findings[3].text


def test_a_session_that_stops_slowly():
    lease = Lease(
        "l1",
        "ada",
        "",
        "image",
        (gpu(0).uuid,),
        NOW - 4000,
        state=LeaseState.STOPPING,
        end_reason="stopped",
    )
    findings = examine_work([lease], [], [], NOW)
    assert findings[0].level is Level.HINT
    assert "ada" in findings[0].text


@pytest.mark.parametrize(("idle", "is_reported"), [(3500.0, False), (3700.0, True), (None, False)])
def test_a_session_whose_gpus_are_idle_for_an_hour_is_reported(idle, is_reported):
    lease = Lease(
        "l1",
        "ada",
        "",
        "image",
        (gpu(0).uuid,),
        NOW - 9000,
        state=LeaseState.ACTIVE,
        active_at=None if idle is None else NOW - idle,
    )
    hints = [item for item in examine_work([lease], [], [], NOW) if item.level is Level.HINT]
    assert ["idle for more than an hour: ada" in item.text for item in hints] == (
        [True] if is_reported else []
    )


def test_a_queue_despite_free_gpus():
    waiting = [Request("r1", "bob", "", 1, NOW, "image")]
    (finding,) = examine_work([], waiting, [status(0, GPUState.FREE)], NOW)
    assert finding.level is Level.HINT
    (finding,) = examine_work([], waiting, [status(0, GPUState.LEASED)], NOW)
    assert finding.level is Level.OK


def test_sign_in_without_a_password_is_a_problem():
    settings = Settings.from_environ(
        {"GPUDOCK_AUTHENTICATOR": "dummy", "GPUDOCK_ALLOW_ANYONE": "yes"}
    )
    assert levels(examine_settings(settings)) == [Level.PROBLEM]


def test_the_one_time_password():
    assert examine_one_time_password(exists=False) == []
    assert levels(examine_one_time_password(exists=True)) == [Level.HINT]


def test_findings_as_text_end_with_a_summary():
    shown = as_text(
        [ok("driver", "Fine."), problem("disk", "Full.", "Make room."), hint("x", "y", "z.")]
    )
    lines = shown.splitlines()
    assert lines[0] == "✓ driver  Fine."
    assert lines[1:3] == ["✗ disk    Full.", "          → Make room."]
    assert lines[-1] == "Found 1 problem and 1 hint."
    assert as_text([ok("driver", "Fine.")]).endswith("No problems found.")


def test_only_a_problem_makes_it_fail():
    assert not has_problems([ok("a", "b"), hint("a", "b", "c")])
    assert has_problems([ok("a", "b"), problem("a", "b", "c")])


def test_findings_survive_serialization():
    finding = problem("disk", "Full.", "Make room.")
    assert Finding.of_document(json.loads(json.dumps(finding.document()))) == finding


def test_mig_mode_without_slices_is_a_problem_with_its_own_fix():
    uncut = status(2, GPUState.QUARANTINED, without_slices(gpu(2)))
    findings = examine_inventory(InventoryReading(taken_at=1.0), [uncut])
    (found,) = (item for item in findings if item.level is Level.PROBLEM)
    assert "MIG mode is on, but the GPU has no slices" in found.text
    assert "nvidia-smi -i 2 -mig 0" in found.text
    assert "gpu return" not in found.remedy


def test_a_gpu_that_is_gone_has_no_number_and_can_be_forgotten():
    gone = replace(status(2, GPUState.LOST, "The driver does not report it."), reported=False)
    findings = examine_inventory(InventoryReading(taken_at=1.0), [gone])
    (found,) = (item for item in findings if item.level is Level.PROBLEM)
    assert "GPU 2" not in found.text
    assert f"gpudock gpu forget {gpu(2).uuid}" in found.remedy
