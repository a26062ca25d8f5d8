"""The findings of ``gpudock doctor`` about the Docker Engine."""

from __future__ import annotations

import pytest

from gpudock.config.remedies import GENERATE_CDI
from gpudock.doctor.engine import examine_engine, examine_images, listed_devices
from gpudock.doctor.finding import Level

UUID = "GPU-5c1a2b3d-0000-4000-8000-000000000001"
SOUND = {
    "ServerVersion": "28.5.2+dfsg4",
    "DiscoveredDevices": [
        {"Source": "cdi", "ID": "nvidia.com/gpu=0"},
        {"Source": "cdi", "ID": f"nvidia.com/gpu={UUID}"},
        {"Source": "cdi", "ID": "nvidia.com/gpu=all"},
    ],
    "Runtimes": {"runc": {}},
    "DefaultRuntime": "runc",
    "MemoryLimit": True,
    "PidsLimit": True,
    "CpuCfsQuota": True,
    "CgroupVersion": "2",
    "Driver": "overlay2",
    "DriverStatus": [["Supports d_type", "true"]],
    "LiveRestoreEnabled": True,
}


def found(about: str, *, expects_gpus: bool = True, **changes: object):
    findings = examine_engine({**SOUND, **changes}, expects_gpus=expects_gpus)
    return [finding for finding in findings if finding.about == about]


def test_a_healthy_engine_needs_no_fix():
    findings = examine_engine(SOUND, expects_gpus=True)
    assert {finding.level for finding in findings} == {Level.OK}
    assert not any(finding.remedy for finding in findings)


@pytest.mark.parametrize(
    ("about", "changes", "level", "word"),
    [
        ("engine", {"ServerVersion": "20.10.24"}, Level.PROBLEM, "too old"),
        ("engine", {"ServerVersion": "26.1.5+dfsg1"}, Level.HINT, "NVIDIA runtime"),
        ("engine", {"ServerVersion": ""}, Level.PROBLEM, "too old"),
        ("CDI", {"DiscoveredDevices": []}, Level.PROBLEM, "offers none"),
        ("CDI", {"DiscoveredDevices": None}, Level.PROBLEM, "offers none"),
        ("CDI", {"DiscoveredDevices": [{"ID": "nvidia.com/gpu=0"}]}, Level.PROBLEM, "index only"),
        ("CDI", {"DiscoveredDevices": [{"ID": "intel.com/gpu=0"}]}, Level.PROBLEM, "offers none"),
        ("limits", {"MemoryLimit": False}, Level.PROBLEM, "memory"),
        ("limits", {"PidsLimit": False}, Level.PROBLEM, "processes"),
        ("limits", {"CpuCfsQuota": False}, Level.PROBLEM, "processors"),
        ("cgroups", {"CgroupVersion": "1"}, Level.HINT, "Version 1"),
        ("storage", {"Driver": "vfs"}, Level.PROBLEM, "vfs"),
        ("storage", {"DriverStatus": [["Supports d_type", "false"]]}, Level.PROBLEM, "d_type"),
        ("live restore", {"LiveRestoreEnabled": False}, Level.HINT, "ends all"),
    ],
)
def test_each_problem_is_reported_with_its_fix(about, changes, level, word):
    (finding,) = found(about, **changes)
    assert finding.level is level
    assert word in finding.text
    assert finding.remedy.endswith(".")


def test_the_nvidia_runtime_replaces_cdi():
    (finding,) = found("NVIDIA runtime", DiscoveredDevices=None, Runtimes={"nvidia": {}})
    assert finding.level is Level.OK


def test_names_by_index_alone_are_a_problem_with_the_command_that_fixes_it():
    (finding,) = found("CDI", DiscoveredDevices=[{"ID": "nvidia.com/gpu=0"}])
    assert finding.level is Level.PROBLEM
    assert GENERATE_CDI in finding.remedy
    assert "--device-name-strategy=uuid" in GENERATE_CDI


def test_the_nvidia_runtime_replaces_names_by_index():
    changes = {"DiscoveredDevices": [{"ID": "nvidia.com/gpu=0"}], "Runtimes": {"nvidia": {}}}
    (finding,) = found("NVIDIA runtime", **changes)
    assert finding.level is Level.OK
    (finding,) = found("CDI", **changes)
    assert finding.level is Level.HINT
    assert GENERATE_CDI in finding.remedy


def test_only_a_specification_that_the_lab_uses_is_compared():
    assert listed_devices(SOUND) == ["0", UUID, "all"]
    assert listed_devices({"DiscoveredDevices": [{"ID": "nvidia.com/gpu=0"}]}) is None
    assert listed_devices({}) is None


def test_a_default_runtime_that_gives_gpus_to_all_containers_is_a_hint():
    findings = found(
        "NVIDIA runtime",
        DiscoveredDevices=None,
        Runtimes={"nvidia": {}},
        DefaultRuntime="nvidia",
    )
    assert [finding.level for finding in findings] == [Level.OK, Level.HINT]


def test_a_server_without_gpus_need_not_offer_any():
    (finding,) = found("CDI", expects_gpus=False, DiscoveredDevices=[])
    assert finding.level is Level.OK


def test_missing_images_are_named():
    images = [{"RepoTags": ["gpudock/pytorch-cuda:v2.6"]}, {"RepoTags": None}]
    (finding,) = examine_images(images, ["gpudock/pytorch-cuda:v2.6", "lab/other:1"])
    assert finding.level is Level.PROBLEM
    assert '"lab/other:1"' in finding.text
    assert "pytorch-cuda" not in finding.text
    (finding,) = examine_images(images, ["gpudock/pytorch-cuda:v2.6"])
    assert finding.level is Level.OK
