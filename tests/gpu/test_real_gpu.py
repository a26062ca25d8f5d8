"""The agent's readings on a real GPU, against NVIDIA's own nvidia-smi."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess

import pytest

from unit.agent.program import running_agent

# What nvidia-smi prints where NVML has no value.
_NOTHING = re.compile(r"\[?(N/A|Not Supported|Unknown Error|GPU requires reset)\]?")

FIELDS = (
    "uuid",
    "index",
    "name",
    "memory.total",
    "memory.used",
    "utilization.gpu",
    "temperature.gpu",
    "power.draw",
    "enforced.power.limit",
    "power.limit",
    "driver_version",
    "mig.mode.current",
    "ecc.errors.uncorrected.volatile.total",
)


class ThisHost:
    """The host as it is."""

    environment = os.environ


def smi(*arguments):
    return subprocess.run(
        ["nvidia-smi", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def reason_to_skip():
    if shutil.which("nvidia-smi") is None:
        return "there is no nvidia-smi, so no NVIDIA driver"
    listed = smi("-L")
    if listed.returncode != 0 or "GPU " not in listed.stdout:
        return f"nvidia-smi finds no GPU: {(listed.stdout + listed.stderr).strip()[:200]}"
    return None


_REASON = reason_to_skip()
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(_REASON is not None, reason=_REASON or "")]


def query(what, fields):
    done = smi(f"--query-{what}={','.join(fields)}", "--format=csv,noheader,nounits")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = csv.reader(done.stdout.splitlines(), skipinitialspace=True)
    return [dict(zip(fields, row, strict=True)) for row in rows]


def number(text):
    return None if _NOTHING.fullmatch(text) else float(text)


def first_number(row, fields):
    return next((value for value in map(number, map(row.get, fields)) if value is not None), None)


@pytest.fixture(scope="module")
def seen():
    """One reading of the agent, and what nvidia-smi said before and after it."""
    before = query("gpu", FIELDS)
    with running_agent(ThisHost, interval=1.0) as agent:
        reading = agent.first_reading()
    after = query("gpu", FIELDS)
    wholes = [d for d in reading["devices"] if d["parent_uuid"] is None]
    return reading, list(zip(wholes, before, after, strict=True))


def test_every_gpu_is_there_with_its_name_and_memory(seen):
    reading, gpus = seen
    assert reading["problem"] is None
    for device, row, _ in gpus:
        assert device["uuid"] == row["uuid"]
        assert device["index"] == int(row["index"])
        assert device["model"] == row["name"]
        assert device["memory_mib"] == int(row["memory.total"])
        assert reading["driver_version"] == row["driver_version"]
        assert device["mig_enabled"] == (row["mig.mode.current"] == "Enabled")


@pytest.mark.parametrize(
    ("name", "fields", "tolerance"),
    [
        ("memory_used_mib", ("memory.used",), 64),
        ("utilization_percent", ("utilization.gpu",), 25),
        ("temperature_c", ("temperature.gpu",), 4),
        ("power_w", ("power.draw",), 60),
        ("power_limit_w", ("enforced.power.limit", "power.limit"), 0.01),
    ],
)
def test_every_value_lies_where_nvidia_smi_sees_it(seen, name, fields, tolerance):
    for device, before, after in seen[1]:
        ours = device["telemetry"][name]
        theirs = [first_number(row, fields) for row in (before, after)]
        if None in theirs:
            assert ours is None, f"{name}: nvidia-smi has no value, the agent has {ours}"
            continue
        assert ours is not None, f"{name}: nvidia-smi has {theirs}, the agent has no value"
        assert min(theirs) - tolerance <= ours <= max(theirs) + tolerance


def test_the_health_is_that_of_the_error_counters(seen):
    for device, row, _ in seen[1]:
        if number(row["ecc.errors.uncorrected.volatile.total"]):
            assert "memory errors" in device["fault"]
        else:
            assert device["fault"] is None
        assert device["lost"] is False


def test_every_slice_is_there(seen):
    listed = re.findall(r"UUID: (MIG-[^)]+)\)", smi("-L").stdout)
    assert [d["uuid"] for d in seen[0]["devices"] if d["parent_uuid"] is not None] == listed


def test_the_cuda_version_is_the_one_in_nvidia_smis_head(seen):
    head = re.search(r"CUDA Version: +(\d+\.\d+)", smi().stdout)
    assert head is not None
    assert seen[0]["cuda_version"] == head.group(1)


def test_the_processes_are_those_of_nvidia_smi(seen):
    listed = {(row["gpu_uuid"], row["pid"]) for row in query("compute-apps", ("gpu_uuid", "pid"))}
    ours = {
        (device["uuid"], str(process["pid"]))
        for device in seen[0]["devices"]
        for process in device["telemetry"]["processes"] or ()
    }
    assert listed <= ours
