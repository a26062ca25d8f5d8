from __future__ import annotations

import pytest

from jupyterlab_gpudock.environment import Environment, Problem
from jupyterlab_gpudock.readings import Reading, State
from jupyterlab_gpudock.verdict import judge

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
        (ok("525.60.12"), cuda("12.8"), False, "driver_too_old"),
        (ok("525.60"), cuda("12.1"), False, "driver_too_old"),
        (ok("450.80.02"), cuda("11.8"), True, "usable"),
        (ok("450.51.06"), cuda("11.8"), False, "driver_too_old"),
        (ok("580.65.06"), cuda("13.0"), True, "usable"),
        (ok("575.57.08"), cuda("13.0"), False, "driver_too_old"),
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
def test_the_verdict_on_an_environment(reading, environment, usable, code):
    verdict = judge(reading, environment)
    assert (verdict.usable, verdict.code) == (usable, code)


@pytest.mark.parametrize("state", [state for state in State if state is not State.OK])
def test_a_broken_gpu_comes_before_whatever_the_environment_lacks(state):
    for environment in (TORCH, Environment(problem=Problem.TORCH_MISSING)):
        verdict = judge(Reading(state, "in NVML's words"), environment)
        assert (verdict.usable, verdict.code) == (False, state)
        assert verdict.parameters == {"detail": "in NVML's words"}


def test_an_old_driver_is_told_with_the_one_that_is_needed():
    assert judge(ok("470.57.02"), cuda("12.4")).parameters == {
        "driver": "470.57.02",
        "cuda": "12.4",
        "needed": "525.60.13",
    }
    assert judge(ok("418.87.00"), cuda("11.8")).parameters["needed"] == "450.80.02"
