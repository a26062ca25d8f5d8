"""Each finding about a container and its packages, from the facts that cause it."""

from __future__ import annotations

import dataclasses
import re

import pytest
from samples import A100, HEALTHY

from jupyterlab_gpudock.kernel.assessment import assess
from jupyterlab_gpudock.kernel.container import Container, read_container
from jupyterlab_gpudock.kernel.environment import Environment, Problem
from jupyterlab_gpudock.kernel.findings import FINDINGS
from jupyterlab_gpudock.nvml.readings import Reading, State

GOOD = Environment(torch="2.6.0", torch_cuda="12.4", cudnn="9.1.0", cuda_available=True)
ABSENT = dataclasses.replace(GOOD, cuda_available=False)
GIVEN = Container(True, ("/dev/nvidia0",), has_uvm=True, requested="void", lease="a")
NONE = Container(True, requested="void")
NO_DRIVER = Reading(State.NO_DRIVER, "NVML Shared Library Not Found")
NO_GPU = Reading(State.NO_GPU)
ARCHS = ("sm_70", "sm_90", "compute_90a")


def on(capability: str, **changes: object) -> Reading:
    gpu = dataclasses.replace(A100, compute_capability=capability, **changes)
    return dataclasses.replace(HEALTHY, gpus=(gpu,))


def but(**changes: object) -> Environment:
    return dataclasses.replace(GOOD, **changes)


@pytest.mark.parametrize(
    ("finding", "code", "reading", "environment", "container"),
    [
        ("no_gpu_given", "no_driver", NO_DRIVER, ABSENT, NONE),
        ("no_gpu_given", "no_gpu", NO_GPU, ABSENT, Container(True)),
        ("gpu_not_visible", "no_gpu", NO_GPU, ABSENT, Container(True, lease="a")),
        ("gpu_not_passed", "no_driver", NO_DRIVER, ABSENT, Container(True, requested="all")),
        ("driver_library_missing", "no_driver", NO_DRIVER, ABSENT, GIVEN),
        ("no_driver", "no_driver", NO_DRIVER, ABSENT, Container(False)),
        (
            "uvm_missing",
            "cuda_unavailable",
            HEALTHY,
            ABSENT,
            dataclasses.replace(GIVEN, has_uvm=False),
        ),
        (
            "libcuda_missing",
            "cuda_unavailable",
            HEALTHY,
            but(cuda_available=False, cuda_error="Found no NVIDIA driver on your system."),
            GIVEN,
        ),
        (
            "devices_hidden",
            "cuda_unavailable",
            HEALTHY,
            but(cuda_available=False, visible_devices=""),
            GIVEN,
        ),
        (
            "devices_hidden",
            "cuda_unavailable",
            HEALTHY,
            but(
                cuda_available=False,
                visible_devices="7",
                cuda_error="No CUDA GPUs are available",
            ),
            GIVEN,
        ),
        (
            "mig_without_slices",
            "cuda_unavailable",
            on("8.0", health=("no_slices",)),
            ABSENT,
            GIVEN,
        ),
        (
            "cuda_unavailable",
            "cuda_unavailable",
            HEALTHY,
            but(cuda_available=False, cuda_error="Error 803: unsupported combination"),
            GIVEN,
        ),
        ("gpu_too_new", "arch_missing", on("12.0"), but(archs=ARCHS), GIVEN),
        ("gpu_too_old", "arch_missing", on("6.1"), but(archs=ARCHS), GIVEN),
        ("arch_missing", "arch_missing", on("8.0"), but(archs=("sm_75", "sm_90")), GIVEN),
        ("compute_failed", "compute_failed", HEALTHY, but(compute_error="no kernel"), GIVEN),
        (
            "torch_cpu_only_user_package",
            "torch_cpu_only",
            HEALTHY,
            but(torch_cuda=None, torch_hidden="2.6.0+cu124", torch_folder="/workspace/.local"),
            GIVEN,
        ),
        (
            "torch_crashed",
            "torch_crashed",
            HEALTHY,
            Environment(problem=Problem.TORCH_CRASHED, signal="SIGSEGV"),
            GIVEN,
        ),
    ],
)
def test_the_decisive_finding(finding, code, reading, environment, container):
    assessment = assess(reading, environment, container)
    assert (assessment.usable, assessment.findings[0].id) == (False, finding)
    assert assessment.code == code, "the code of the REST interface stays what it was"
    assert assessment.findings[0].advice, "it is said what to do"


@pytest.mark.parametrize(
    ("finding", "changes"),
    [
        ("cudnn_library_path", {"cudnn_origin": "library_path", "cudnn_path": "/opt/cudnn"}),
        ("cudnn_user_package", {"cudnn_origin": "user_package", "cudnn_path": "/w/.local"}),
        ("cudnn_elsewhere", {"cudnn_origin": "elsewhere", "cudnn_path": "/usr/lib"}),
        ("torch_user_package", {"torch_hidden": "2.6.0", "torch_folder": "/w/.local"}),
        ("nvcc_missing", {"nvcc": ""}),
    ],
)
def test_a_remark_does_not_make_the_gpu_unusable(finding, changes):
    assessment = assess(HEALTHY, but(**changes), GIVEN)
    assert assessment.usable
    assert [found.id for found in assessment.findings] == ["usable", finding]


def test_a_container_without_a_gpu_still_reports_a_broken_torch():
    environment = Environment(problem=Problem.TORCH_BROKEN, detail="libcudnn.so.9: cannot open")
    found = assess(NO_DRIVER, environment, NONE).findings
    assert [finding.id for finding in found] == ["no_gpu_given", "torch_broken"]


def test_cuda_s_own_text_comes_with_the_finding():
    environment = but(cuda_available=False, cuda_error="Error 500: named symbol not found")
    finding = assess(HEALTHY, environment, GIVEN).findings[0]
    assert finding.parameters["detail"] == "Error 500: named symbol not found"


def test_every_row_is_a_sentence_and_its_code_is_a_row_or_its_own():
    states = {state.value for state in State}
    for finding_id, row in FINDINGS.items():
        for sentence in filter(None, (row.title, row.advice)):
            assert re.match(r"[A-Zct{].*\.$", sentence), finding_id
        assert not row.code or row.code in FINDINGS or row.code in states


@pytest.mark.parametrize(
    ("environ", "asks", "lease"),
    [
        ({}, False, None),
        ({"NVIDIA_VISIBLE_DEVICES": "void"}, False, None),
        ({"NVIDIA_VISIBLE_DEVICES": "none"}, False, None),
        ({"NVIDIA_VISIBLE_DEVICES": "all", "GPUDOCK_LEASE": "a"}, True, "a"),
    ],
)
def test_the_container_is_read_from_files_and_variables(tmp_path, environ, asks, lease):
    (tmp_path / "dev").mkdir()
    for name in ("nvidia0", "nvidia12", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / "dev" / name).touch()
    (tmp_path / ".dockerenv").touch()
    found = read_container(tmp_path, environ)
    assert found.is_container
    assert found.devices == ("/dev/nvidia0", "/dev/nvidia12")
    assert found.has_uvm
    assert (found.asks_for_gpu, found.lease) == (asks, lease)
    assert read_container(tmp_path / "none", {}) == Container(False)
