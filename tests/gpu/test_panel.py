"""The panel's readings on a real GPU: against nvidia-smi, and while torch works on it.

What needs torch is skipped where there is none. The rest also runs over the simulated NVML with a
real nvidia-smi.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gpu.test_real_gpu import first_number, query
from gpu.test_real_gpu import pytestmark as needs_a_gpu
from jupyterlab_gpudock import kernel_state
from jupyterlab_gpudock.attribution import Attribution
from jupyterlab_gpudock.checks import Checks
from jupyterlab_gpudock.environment import Interpreter, Prober
from jupyterlab_gpudock.nvml import NVML
from jupyterlab_gpudock.patience import Patient
from jupyterlab_gpudock.procfs import Processes
from jupyterlab_gpudock.readings import Missing, State
from jupyterlab_gpudock.verdict import judge

pytestmark = needs_a_gpu

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed here"
)

FIELDS = {
    "utilization_percent": (("utilization.gpu",), 30),
    "memory_used_mib": (("memory.used",), 64),
    "memory_total_mib": (("memory.total",), 0),
    "temperature_c": (("temperature.gpu",), 4),
    "power_w": (("power.draw",), 60),
    "power_limit_w": (("enforced.power.limit", "power.limit"), 0.01),
    "sm_clock_mhz": (("clocks.sm",), 300),
    "sm_clock_max_mhz": (("clocks.max.sm",), 0),
    "memory_clock_mhz": (("clocks.mem",), 2500),
    "memory_clock_max_mhz": (("clocks.max.mem",), 0),
}
"""By our name: nvidia-smi's, and how far the two may be apart."""

WORK = """
import sys, torch
images = torch.randn(64, 64, 112, 112, device="cuda")
weights = torch.randn(64, 64, 3, 3, device="cuda")
kept = torch.empty(1024, 1024, 256, device="cuda")  # 1 GiB
torch.cuda.synchronize()
print("ready", flush=True)
while True:
    for _ in range(50):
        torch.nn.functional.conv2d(images, weights, padding=1)
    torch.cuda.synchronize()
"""


@pytest.fixture(scope="module")
def gate():
    gate = Patient(NVML())
    yield gate
    gate.close()


@pytest.fixture(scope="module")
def compared(gate):
    """One reading, and what nvidia-smi said before and after it."""
    names = (
        "uuid",
        "index",
        "name",
        "driver_version",
        *(name for fields, _ in FIELDS.values() for name in fields),
    )
    before = query("gpu", names)
    reading = gate.read()
    after = query("gpu", names)
    wholes = {gpu.uuid: gpu for gpu in reading.gpus if gpu.mig_profile is None}
    rows = zip(before, after, strict=True)
    return reading, [(wholes.get(row["uuid"]), row, late) for row, late in rows]


def test_every_gpu_is_told_by_its_name(compared):
    reading, gpus = compared
    assert reading.state is State.OK, reading.detail
    for gpu, row, _ in gpus:
        if gpu is None:
            continue  # it is cut into slices, which have cards of their own
        assert (gpu.index, gpu.name) == (row["index"], row["name"])
        assert reading.driver == row["driver_version"]


@pytest.mark.parametrize("name", FIELDS)
def test_a_number_lies_where_nvidia_smi_sees_it(compared, name):
    fields, tolerance = FIELDS[name]
    for gpu, before, after in compared[1]:
        if gpu is None:
            continue
        ours = getattr(gpu, name)
        theirs = [first_number(row, fields) for row in (before, after)]
        if None in theirs:
            assert isinstance(ours, Missing), f"{name}: nvidia-smi has no value, we have {ours}"
            continue
        assert not isinstance(ours, Missing), f"{name}: nvidia-smi has {theirs}, we have {ours}"
        assert min(theirs) - tolerance <= ours <= max(theirs) + tolerance


def test_the_processes_are_those_of_nvidia_smi(gate):
    listed = {
        (row["gpu_uuid"], int(row["pid"])) for row in query("compute-apps", ("gpu_uuid", "pid"))
    }
    ours = {
        (gpu.uuid, process.pid)
        for gpu in gate.read().gpus
        if not isinstance(gpu.processes, Missing)
        for process in gpu.processes
    }
    assert listed <= ours


def wait_for(look, what, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, what
        time.sleep(0.2)
    return found


@needs_torch
def test_a_convolution_raises_use_and_memory_and_is_told_as_its_kernels(gate):
    first = gate.read().gpus[0]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": first.uuid}
    work = subprocess.Popen(
        [sys.executable, "-c", WORK], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert work.stdout.readline() == "ready\n"
        busy = wait_for(
            lambda: next(
                (
                    gpu
                    for gpu in gate.read().gpus
                    if gpu.uuid == first.uuid and gpu.utilization_percent > 50
                ),
                None,
            ),
            "a convolution without end keeps the GPU more than half busy",
        )
        assert busy.memory_used_mib >= first.memory_used_mib + 1024
        assert busy.power_w > 0
        if Processes().tells_host_pids():
            attribution = Attribution()
            attribution.set_owners({work.pid: {"kind": "kernel", "kernel_id": "k"}})
            told = attribution.annotate(gate.read()).gpus[0].processes
            mine = next(process for process in told if process.pid == work.pid)
            assert (mine.certainty, mine.owner["kernel_id"]) == ("certain", "k")
            assert mine.memory_mib >= 1024
    finally:
        work.kill()
        work.wait()
        work.stdout.close()
    wait_for(
        lambda: gate.read().gpus[0].memory_used_mib < busy.memory_used_mib - 1000,
        "the memory comes back",
    )


@needs_torch
async def test_torch_here_can_use_the_gpu(gate):
    environment = await Prober(120.0).probe(Interpreter(sys.executable), gpu_state="ok")
    verdict = judge(gate.read(), environment)
    assert verdict.usable, verdict.findings
    assert environment.archs
    assert environment.cudnn_built


@needs_torch
async def test_a_check_measures_ratios(gate):
    ended = asyncio.Event()

    def tell(document) -> None:
        if document["state"] != "running":
            ended.set()

    checks, reading = Checks(tell, timeout_s=300.0), gate.read()
    check = checks.start(reading.gpus[0].uuid, "python3", Interpreter(sys.executable), reading)
    await asyncio.wait_for(ended.wait(), 310)
    assert check.state == "done", check.message
    steps = {step.name: step for step in check.steps}
    assert steps["cudnn"].state == "done"
    assert steps["bandwidth"].values["to_gpu_pinned_gb_s"] > 1
    assert steps["fp16"].state == "done"
    assert {step.state for step in check.steps} <= {"done", "skipped"}


@needs_torch
def test_the_live_state_and_the_release_of_a_process_that_uses_the_gpu():
    source = f"""
import sys, torch
sys.path.insert(0, {str(Path(kernel_state.__file__).parents[1])!r})
from jupyterlab_gpudock import kernel_state
kept = torch.empty(256, 1024, 1024, device="cuda")
gone = torch.empty(256, 1024, 1024, device="cuda")
del gone
print(repr(kernel_state.answer("state")))
print(repr(kernel_state.answer("release")))
"""
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True, timeout=120
    )
    state, released = map(json.loads, done.stdout.splitlines())
    assert (state["torch_loaded"], state["cuda_initialized"], state["errors"]) == (True, True, [])
    assert state["devices"][0]["allocated_mib"] >= 1024
    assert state["devices"][0]["reserved_mib"] >= 2048
    assert released["freed_mib"] >= 1000
