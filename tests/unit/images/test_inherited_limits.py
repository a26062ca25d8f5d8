"""The limits that the image's server sets before it starts; kernels and terminals inherit them."""

import os
import resource
import runpy
from pathlib import Path

import pytest

LIMITS = Path(__file__).parents[3] / "images" / "pytorch-cuda" / "server" / "inherited_limits.py"
VARIABLES = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "PYTHON_CPU_COUNT")


@pytest.fixture
def limits(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return runpy.run_path(str(LIMITS))


@pytest.mark.parametrize(
    ("soft", "hard", "expected"),
    [
        (1024, 20000, 20000),
        (1024, 2**30, 2**20),
        (1024, resource.RLIM_INFINITY, 2**20),
        (4096, 4096, None),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, None),
        (2**30, 2**30, None),
    ],
)
def test_the_limit_of_open_files_is_raised_as_far_as_the_engine_permits(
    limits, monkeypatch, soft, hard, expected
):
    made = []
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _kind, pair: made.append(pair))
    limits["raise_open_files"]()
    assert made == ([] if expected is None else [(expected, hard)])


@pytest.mark.parametrize(
    ("files", "threads"),
    [
        ({"cpu.max": "400000 100000\n"}, "4"),
        ({"cpu.max": "50000 100000\n"}, "1"),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "nonsense"}, None),
        ({}, None),
        ({"cpu/cpu.cfs_quota_us": "250000\n", "cpu/cpu.cfs_period_us": "100000\n"}, "2"),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "1\n", "cpu/cpu.cfs_period_us": "0\n"}, None),
    ],
)
def test_libraries_start_as_many_threads_as_the_container_has_processors(
    limits, tmp_path, monkeypatch, files, threads
):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.setenv("NUMBA_NUM_THREADS", "7")
    limits["limit_threads"](tmp_path)
    found = [os.environ.get(name) for name in VARIABLES]
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert found == [threads, "7", threads]
