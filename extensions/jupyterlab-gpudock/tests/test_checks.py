""" "Run a check" in a kernel environment whose torch computes on a clock instead of a GPU."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import sys
from pathlib import Path

import pytest
from fake_torch import GPU_SOURCE
from samples import A100, HEALTHY
from tornado.httpclient import HTTPClientError

from jupyterlab_gpudock.checks.runner import NEEDED_MIB
from jupyterlab_gpudock.nvml.readings import Missing, State


class TorchEnvironment:
    """A kernel whose torch is the fake one."""

    def __init__(self, folder: Path, kernels: Path) -> None:
        self.log = folder / "torch.log"
        library = folder / "library"
        library.mkdir()
        (library / "torch.py").write_text(GPU_SOURCE)
        spec = kernels / "fake"
        spec.mkdir(parents=True)
        (spec / "kernel.json").write_text(
            json.dumps(
                {
                    "argv": [sys.executable, "-m", "ipykernel_launcher"],
                    "display_name": "Fake",
                    "language": "python",
                    "env": {"PYTHONPATH": str(library), "FAKE_TORCH": str(self.log)},
                }
            )
        )
        broken = kernels / "broken"
        broken.mkdir()
        (broken / "kernel.json").write_text(
            json.dumps(
                {"argv": ["/nowhere/python3"], "display_name": "Broken", "language": "python"}
            )
        )

    def become(self, mode: str) -> None:
        Path(f"{self.log}.mode").write_text(mode)

    def logged(self, word: str) -> list[str]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.partition(" ")[2] for line in lines if line.startswith(word)]


@pytest.fixture
def environment(tmp_path, jp_data_dir):
    return TorchEnvironment(tmp_path, jp_data_dir / "kernels")


@pytest.fixture
def start(jp_fetch):
    async def post(kernel: str = "fake", gpu: str = A100.uuid) -> dict:
        body = json.dumps({"gpu": gpu, "kernel": kernel})
        response = await jp_fetch("gpudock", "api", "checks", method="POST", body=body)
        assert response.code == 202
        return json.loads(response.body)

    return post


@pytest.fixture
def ended(jp_fetch):
    async def wait(check: dict) -> dict:
        for _ in range(2000):
            response = await jp_fetch("gpudock", "api", "checks", check["id"])
            check = json.loads(response.body)
            if check["state"] != "running":
                return check
            await asyncio.sleep(0.02)
        pytest.fail("the check did not end")

    return wait


async def error_of(call) -> tuple[int, str, str]:
    with pytest.raises(HTTPClientError) as error:
        await call
    document = json.loads(error.value.response.body)
    return error.value.code, document.get("code"), document["message"]


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def test_a_check_reports_the_ratios_that_were_measured(environment, start, ended, jp_fetch):
    check = await ended(await start())
    assert (check["state"], check["progress"], check["message"]) == ("done", 1.0, "")
    assert check["gpu_name"] == A100.name
    found = {step["name"]: (step["state"], step["ratio"]) for step in check["steps"]}
    assert found == {
        "cudnn": ("done", 3.0),
        "fp16": ("done", 8.0),
        "bf16": ("done", 8.0),
        "tf32": ("done", 4.0),
        "bandwidth": ("done", 2.5),
    }
    assert check["steps"][0]["values"] == {"on_ms": 1.0, "off_ms": 3.0}
    assert check["steps"][4]["values"]["to_gpu_pinned_gb_s"] == 13.42
    assert environment.logged("visible") == [A100.uuid]
    listed = json.loads((await jp_fetch("gpudock", "api", "checks")).body)
    assert listed["checks"] == [check]


async def test_progress_comes_over_the_stream(environment, start, ended, jp_ws_fetch):
    socket = await jp_ws_fetch("gpudock", "api", "stream")
    await socket.read_message()
    check = await start()
    progress, revisions = [], [check["revision"]]
    while not progress or progress[-1][1] == "running":
        frame = json.loads(await asyncio.wait_for(socket.read_message(), 20))
        if frame["type"] == "check":
            assert frame["check"]["id"] == check["id"]
            progress.append((frame["check"]["progress"], frame["check"]["state"]))
            revisions.append(frame["check"]["revision"])
    socket.close()
    assert progress[0] == (0.0, "running")
    assert progress[-1] == (1.0, "done")
    assert [value for value, _ in progress] == sorted(value for value, _ in progress)
    assert revisions == sorted(set(revisions)), "each change has a higher number"


async def test_what_a_gpu_cannot_do_is_skipped_and_what_fails_is_reported(
    environment, start, ended
):
    environment.become("old")
    steps = {step["name"]: step for step in (await ended(await start()))["steps"]}
    assert (steps["bf16"]["state"], steps["tf32"]["state"]) == ("skipped", "skipped")
    assert steps["tf32"]["detail"] == "TF32 came with compute capability 8.0."
    environment.become("no_conv")
    check = await ended(await start())
    assert check["state"] == "done"
    assert check["steps"][0]["state"] == "failed"
    assert "CUDNN_STATUS_NOT_INITIALIZED" in check["steps"][0]["detail"]
    assert check["steps"][1]["state"] == "done"


@pytest.mark.parametrize(
    ("mode", "state", "code"),
    [
        ("no_cuda", "failed", "cuda_unavailable"),
        ("full", "refused", "memory_short"),
        ("die", "failed", "crashed"),
    ],
)
async def test_a_check_that_cannot_be_run_states_why(environment, start, ended, mode, state, code):
    environment.become(mode)
    check = await ended(await start())
    assert (check["state"], check["code"]) == (state, code)
    assert check["message"].endswith((".", "luck"))
    if code == "memory_short":
        assert "100 MiB free" in check["message"]


async def test_an_environment_that_is_broken_or_has_no_torch(environment, start, ended):
    check = await ended(await start("broken"))
    assert (check["state"], check["code"]) == ("failed", "environment_broken")
    assert "/nowhere/python3" in check["message"]
    (environment.log.parent / "library" / "torch.py").write_text(
        "raise ModuleNotFoundError('no torch', name='torch')"
    )
    assert (await ended(await start()))["code"] == "torch_missing"


async def test_a_cancelled_check_is_ended_with_its_children(environment, start, jp_fetch, until):
    environment.become("hang")
    check = await start()
    await until(lambda: environment.logged("child"), "the check's child process")
    pids = [int(environment.logged(word)[0]) for word in ("pid", "child")]
    busy = error_of(start())
    assert (await busy)[:2] == (409, "check_running")
    response = await jp_fetch("gpudock", "api", "checks", check["id"], method="DELETE")
    assert response.code == 204
    await until(lambda: all(map(is_gone, pids)), "the end of both processes")
    response = await jp_fetch("gpudock", "api", "checks", check["id"])
    check = json.loads(response.body)
    assert (check["state"], check["code"]) == ("cancelled", "cancelled")
    response = await jp_fetch("gpudock", "api", "checks", check["id"], method="DELETE")
    assert response.code == 204, "what has ended stays ended"
    environment.become("")
    again = await start()
    assert again["id"] != check["id"]


async def test_a_check_that_takes_too_long_is_ended(environment, start, ended, jp_serverapp, until):
    environment.become("hang")
    jp_serverapp.extension_manager.extension_points[
        "jupyterlab_gpudock"
    ].app._services.checks._timeout_s = 10
    check = await ended(await start())
    assert (check["state"], check["code"]) == ("failed", "timeout")
    pids = [int(environment.logged(word)[0]) for word in ("pid", "child")]
    await until(lambda: all(map(is_gone, pids)), "the end of both processes")


async def test_no_check_outlives_the_server(environment, start, jp_serverapp, until):
    environment.become("hang")
    await start()
    await until(lambda: environment.logged("child"), "the check's child process")
    await jp_serverapp.extension_manager.stop_all_extensions()
    pids = [int(environment.logged(word)[0]) for word in ("pid", "child")]
    await until(lambda: all(map(is_gone, pids)), "the end of both processes")


async def test_too_little_memory_is_rejected_with_how_much_there_is(environment, start, reader):
    used = A100.memory_total_mib - NEEDED_MIB + 1
    full = dataclasses.replace(A100, memory_used_mib=used)
    reader.reading = dataclasses.replace(HEALTHY, gpus=(full,))
    status, code, message = await error_of(start())
    assert (status, code) == (409, "memory_short")
    assert f"{NEEDED_MIB - 1} MiB free" in message
    unknown = dataclasses.replace(A100, memory_used_mib=Missing.NOT_AVAILABLE)
    reader.reading = dataclasses.replace(HEALTHY, gpus=(unknown,))
    await asyncio.sleep(0.5)  # the reading before serves for one interval
    assert (await start())["state"] == "running"


async def test_a_gpu_that_is_not_there_or_not_well_is_rejected(environment, start, reader):
    assert (await error_of(start(gpu="GPU-no")))[:2] == (404, "no_gpu")
    assert (await error_of(start(kernel="../sh")))[:2] == (404, "no_kernel")


async def test_a_lost_gpu_is_rejected(environment, start, reader):
    lost = dataclasses.replace(A100, state=State.LOST, detail="GPU is lost")
    reader.reading = dataclasses.replace(HEALTHY, gpus=(lost,))
    assert await error_of(start()) == (409, "lost", "The GPU cannot be checked: GPU is lost.")


async def test_no_driver_is_reported(environment, start, reader):
    reader.reading = dataclasses.replace(
        HEALTHY, state=State.NO_DRIVER, detail="Driver Not Loaded", gpus=()
    )
    assert (await error_of(start()))[:2] == (409, "no_driver")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("{", 400),
        ("[]", 400),
        ("[" * 3000, 400),
        ('{"gpu": 1}', 400),
        ('{"gpu": true}', 400),
        ('{"gpu": "GPU-1", "command": "rm"}', 400),
        ('{"gpu": "' + "x" * 5000 + '"}', 413),
    ],
)
async def test_a_body_that_is_invalid_is_rejected(jp_fetch, body, status):
    call = jp_fetch("gpudock", "api", "checks", method="POST", body=body)
    found, code, message = await error_of(call)
    assert (found, bool(code)) == (status, True)
    assert message.endswith(".")


async def test_an_unknown_check_is_not_found(jp_fetch):
    for method in ("GET", "DELETE"):
        call = jp_fetch("gpudock", "api", "checks", "0" * 32, method=method)
        assert (await error_of(call))[:2] == (404, "no_check")


@pytest.mark.parametrize("ratio", ["NaN", "Infinity", '"fast"', "[]", "true"])
async def test_a_measurement_that_is_no_number_is_left_out(
    environment, start, ended, tmp_path, ratio
):
    line = f'{{"step": "cudnn", "state": "done", "ratio": {ratio}, "values": {{"on_ms": {ratio}}}}}'
    torch = tmp_path / "library" / "torch.py"
    torch.write_text(f"print('gpudock-check:{line}', flush=True)\nraise SystemExit(3)")
    check = await ended(await start())
    assert (check["state"], check["code"]) == ("failed", "crashed")
    assert check["steps"][0]["ratio"] is None
    assert check["steps"][0]["values"] == {}


async def test_lines_that_are_invalid_are_passed_over(environment, start, ended, tmp_path):
    noise = (
        "print('gpudock-check:{not json')\nprint('gpudock-check:[1]')\n"
        "print('gpudock-check:{\"step\": \"nothing\"}')\nprint('x' * 200000)\n"
    )
    torch = tmp_path / "library" / "torch.py"
    torch.write_text(GPU_SOURCE + noise)
    assert (await ended(await start()))["state"] == "done"
    assert os.environ.get("CUDA_VISIBLE_DEVICES") is None


async def test_a_simulated_gpu_is_not_checked(environment, start, reader):
    gpu = dataclasses.replace(A100, simulated=True)
    reader.reading = dataclasses.replace(HEALTHY, gpus=(gpu,))
    status, code, message = await error_of(start())
    assert (status, code) == (409, "simulated")
    assert message.startswith("This GPU is simulated: ")
    assert environment.logged("pid") == [], "its torch is not started"
