from __future__ import annotations

import dataclasses

import pytest
from samples import A100

from jupyterlab_gpudock.kernel import compatibility
from jupyterlab_gpudock.kernel.assessment import assess
from jupyterlab_gpudock.kernel.environment import Environment, Problem
from jupyterlab_gpudock.kernel.findings import FINDINGS
from jupyterlab_gpudock.nvml.readings import Reading, State

TORCH = Environment(
    python="3.13.1", torch="2.6.0+cu124", torch_cuda="12.4", cudnn="9.1.0", cuda_available=True
)


def ok(driver: str | None = "550.54.15") -> Reading:
    return Reading(State.OK, driver=driver, driver_cuda="12.4")


def cuda(version: str | None, **changes: object) -> Environment:
    values = {
        "python": "3.13.1",
        "torch": "2.6.0",
        "torch_cuda": version,
        "cudnn": "9.1.0",
        "cuda_available": True,
    }
    return Environment(**{**values, **changes})


@pytest.mark.parametrize(
    ("reading", "environment", "usable", "code"),
    [
        (ok(), TORCH, True, "usable"),
        (ok(), cuda("12.4", cudnn=None), True, "usable_without_cudnn"),
        (ok(), cuda("12.4", cuda_available=False), False, "cuda_unavailable"),
        (ok(), cuda(None, cuda_available=False), False, "torch_cpu_only"),
        (ok("525.60.13"), cuda("12.8"), True, "usable"),
        (ok("525.60.12"), cuda("12.8", cuda_available=False), False, "driver_too_old"),
        (ok("525.60"), cuda("12.1", cuda_available=False), False, "driver_too_old"),
        (ok("450.80.02"), cuda("11.8"), True, "usable"),
        (ok("450.51.06"), cuda("11.8", cuda_available=False), False, "driver_too_old"),
        (ok("580.65.06"), cuda("13.0"), True, "usable"),
        (ok("575.57.08"), cuda("13.0", cuda_available=False), False, "driver_too_old"),
        (ok("999.1"), cuda("14.0"), True, "usable"),
        (ok("999.1"), cuda("14.0", cuda_available=False), False, "cuda_unavailable"),
        (ok(None), TORCH, True, "usable"),
        (ok(), Environment(problem=Problem.TORCH_MISSING), False, "torch_missing"),
        (ok(), Environment(problem=Problem.TORCH_BROKEN), False, "torch_broken"),
        (ok(), Environment(problem=Problem.PYTHON_BROKEN), False, "python_broken"),
        (ok(), Environment(problem=Problem.PROBE_TIMEOUT), False, "probe_timeout"),
        (ok(), Environment(problem=Problem.NO_PYTHON), False, "no_python"),
    ],
)
def test_the_assessment_of_an_environment(reading, environment, usable, code):
    assessment = assess(reading, environment)
    assert (assessment.usable, assessment.code) == (usable, code)


@pytest.mark.parametrize("state", [state for state in State if state is not State.OK])
def test_a_broken_gpu_comes_before_what_the_environment_lacks(state):
    for environment in (TORCH, Environment(problem=Problem.TORCH_MISSING)):
        assessment = assess(Reading(state, "in NVML's words"), environment)
        assert (assessment.usable, assessment.code) == (False, state)
        assert assessment.parameters == {"detail": "in NVML's words"}


def test_an_old_driver_is_reported_with_the_one_that_is_needed():
    assert assess(ok("470.57.02"), cuda("12.4", cuda_available=False)).parameters == {
        "driver": "470.57.02",
        "cuda": "12.4",
        "needed": "525.60.13",
    }
    old = assess(ok("418.87.00"), cuda("11.8", cuda_available=False))
    assert old.parameters["needed"] == "450.80.02"


def on(capability: str, driver: str = "550.54.15") -> Reading:
    gpu = dataclasses.replace(A100, compute_capability=capability)
    return dataclasses.replace(ok(driver), gpus=(gpu,))


def codes(reading: Reading, environment: Environment) -> list[str]:
    return [finding.code for finding in assess(reading, environment).findings]


ARCHS = ("sm_50", "sm_70", "sm_80", "sm_86", "sm_90", "compute_90")


@pytest.mark.parametrize(
    ("capability", "archs", "found"),
    [
        ("8.0", ARCHS, "binary"),
        ("8.9", ARCHS, "binary"),
        ("7.5", ARCHS, "binary"),
        ("12.0", ARCHS, "ptx"),
        ("3.7", ARCHS, None),
        ("12.0", ("sm_90",), None),
        ("9.0", ("sm_90a",), "binary"),
        ("10.0", ("sm_90a", "compute_90a"), None),
        ("10.3", ("sm_100f",), "binary"),
        ("12.0", ("sm_100", "sm_120"), "binary"),
        ("8.0", ("nonsense", "sm_x", ""), None),
        ("8.0", (), None),
    ],
)
def test_code_for_a_gpu_is_of_its_generation_or_is_translated(capability, archs, found):
    assert compatibility.code_for(capability, archs) == found


def test_a_torch_without_code_for_the_gpu_cannot_use_it():
    assessment = assess(on("3.7"), cuda("12.4", archs=ARCHS))
    assert (assessment.usable, assessment.code) == (False, "arch_missing")
    assert assessment.parameters["capability"] == "3.7"
    assert "3.7" in assessment.findings[0].message
    assert assessment.findings[0].source.startswith("https://docs.nvidia.com/")


def test_code_that_the_driver_translates_is_a_warning():
    assert codes(on("12.0", "570.26"), cuda("12.4", archs=ARCHS)) == ["usable", "ptx_only"]


def test_an_environment_that_reports_no_archs_is_not_assessed_by_them():
    assert codes(on("3.7"), cuda("12.4")) == ["usable"]


@pytest.mark.parametrize(
    ("built", "loaded", "found"),
    [
        ("9.1.0", "9.1.0", ["usable"]),
        ("9.1.0", "9.10.2", ["usable", "cudnn_newer"]),
        ("9.10.2", "9.1.0", ["cudnn_mismatch"]),
        ("8.9.7", "9.1.0", ["cudnn_mismatch"]),
        (None, "9.1.0", ["usable"]),
    ],
)
def test_cudnn_at_run_time_against_the_one_torch_was_built_with(built, loaded, found):
    environment = cuda("12.4", cudnn=loaded, cudnn_built=built)
    assert codes(on("8.0"), environment) == found


def test_an_older_driver_of_the_same_major_is_a_note():
    assessment = assess(ok("535.183.01"), cuda("12.4"))
    assert [finding.code for finding in assessment.findings] == ["usable", "minor_compatibility"]
    assert assessment.findings[1].parameters == {
        "driver": "535.183.01",
        "cuda": "12.4",
        "needed": "550.54.14",
    }


def test_a_driver_that_is_too_old_and_works_all_the_same_has_the_compatibility_package():
    assert codes(ok("470.57.02"), cuda("12.4")) == ["usable", "forward_compatibility"]


def test_all_errors_are_reported_with_the_decisive_one_first():
    environment = cuda(
        "12.4", archs=("sm_90",), cudnn_built="9.1.0", cudnn="8.9.7", cuda_available=False
    )
    assert codes(on("8.0"), environment) == ["arch_missing", "cudnn_mismatch", "cuda_unavailable"]


def test_every_state_and_problem_has_a_message():
    wanted = {state.value for state in State if state is not State.OK}
    assert wanted | {problem.value for problem in Problem} <= set(FINDINGS)


def test_the_table_is_in_order_and_has_its_sources():
    for rules in (compatibility.MIN_DRIVERS, compatibility.MATCHING_DRIVERS):
        versions = [rule.cuda for rule in rules]
        assert versions == sorted(versions, reverse=True)
        drivers = [rule.driver for rule in rules]
        assert drivers == sorted(drivers, reverse=True)
        assert all(rule.source.startswith("https://docs.nvidia.com/") for rule in rules)


@pytest.mark.parametrize("text", ["", "latest", "²", "-1", "12.x"])
def test_versions_that_are_none_harm_nobody(text):
    compatibility.parse(text)
    assess(ok(text), cuda(text or "x"))


@pytest.mark.parametrize(
    "environment",
    [TORCH, cuda("13.0", cuda_available=False), Environment(problem=Problem.TORCH_MISSING)],
)
def test_a_simulated_gpu_is_said_to_be_simulated(environment):
    gpu = dataclasses.replace(A100, simulated=True)
    assessment = assess(dataclasses.replace(ok(), gpus=(gpu,)), environment)
    assert (assessment.usable, assessment.code) == (False, "simulated")
    (finding,) = assessment.findings
    assert finding.level == "note", "it is as it should be"
    assert finding.message.startswith("This GPU is simulated: ")
