"""``make test`` says what came of it, cleans up, and does not try what cannot be tried."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# A make that runs these tests has no say in what the one under test does.
OWN_ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
}


def make(*arguments, **environ):
    done = subprocess.run(
        ["make", "--no-print-directory", "--assume-old=.venv/.stamp", *arguments],
        cwd=ROOT,
        env={**OWN_ENVIRONMENT, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_last_line_says_that_all_passed_and_how_long_it_took():
    begun = time.monotonic()
    status, said = make("test", "MAKE=true", "LAB=echo lab")
    took = time.monotonic() - begun
    assert status == 0
    stopped, last = said.splitlines()
    assert stopped.startswith("lab engine --socket")
    assert stopped.endswith("--stop")
    summary = re.fullmatch(r"==> All tests passed, in every tier, in 0 min (\d+) s", last)
    assert summary
    # The shell counts how often the clock's second has changed.
    assert int(summary[1]) <= took + 1


@pytest.mark.parametrize("broken", ["MAKE=false", "LAB=false lab"])
def test_what_fails_is_not_said_to_have_passed(broken):
    status, said = make("test", "MAKE=true", "LAB=echo lab", broken)
    assert status != 0
    assert "passed" not in said


def test_the_engine_is_stopped_also_when_tests_fail():
    _, said = make("test", "MAKE=false", "LAB=echo lab")
    assert "--stop" in said


def test_a_dry_run_shows_every_tier_and_touches_no_engine(tmp_path):
    touched = tmp_path / "touched"
    status, said = make("--dry-run", "test", f"LAB=touch {touched} #")
    assert status == 0
    assert not touched.exists()
    assert "passed" not in said
    for tier in ("unit", "hub", "gpu", "docker", "browser"):
        assert f"-m pytest tests/{tier}" in said


@pytest.mark.parametrize(
    ("program", "outcome"),
    [
        ('echo "GPU 0: NVIDIA L4 (UUID: GPU-0)"', "ran tests/gpu"),
        ('echo "NVIDIA-SMI has failed"; exit 9', "No NVIDIA driver answers here"),
        ('echo "No devices were found"', "No NVIDIA driver answers here"),
    ],
)
def test_a_real_gpu_is_tested_where_its_driver_answers(tmp_path, program, outcome):
    smi = tmp_path / "nvidia-smi"
    smi.write_text(f"#!/bin/sh\n{program}\n")
    smi.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    status, said = make("test-gpu", "PYTEST=echo ran", PATH=path)
    assert status == 0
    assert outcome in said
