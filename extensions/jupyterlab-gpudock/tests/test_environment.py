from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import stat
import sys
from pathlib import Path

import pytest

from jupyterlab_gpudock.kernel.environment import Prober, Problem, cudnn_version
from jupyterlab_gpudock.kernel.interpreter import Interpreter, interpreter_of

TORCH = """
import os
class version: cuda = {cuda!r}
class backends:
    class cudnn:
        @staticmethod
        def version(): return {cudnn!r}
class cuda:
    @staticmethod
    def is_available(): return {available!r}
__version__ = {version!r}
with open(os.environ["IMPORTS"], "a") as imports: imports.write("x")
print("a noisy import")
"""


@pytest.fixture
def environment(tmp_path):
    """Makes an interpreter whose torch is what the test says; the real one is not importable."""

    def make(torch: str) -> Interpreter:
        library = tmp_path / "library"
        library.mkdir(exist_ok=True)
        (library / "torch.py").write_text(torch)
        env = {
            "PYTHONPATH": str(library),
            "IMPORTS": str(tmp_path / "imports"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return Interpreter(sys.executable, tuple(env.items()))

    return make


@pytest.fixture
def script(tmp_path):
    """Makes an interpreter of a shell script."""

    def make(text: str) -> Interpreter:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return Interpreter(str(path))

    return make


async def probe(interpreter: Interpreter, timeout_s: float = 30.0):
    return await Prober(timeout_s, retry_s=0.0).probe(interpreter, gpu_state="ok")


@pytest.mark.parametrize(
    ("number", "text"),
    [(90100, "9.1.0"), (91002, "9.10.2"), (8907, "8.9.7"), (8005, "8.0.5"), (None, None)],
)
def test_cudnn_numbers_are_read_as_versions(number, text):
    assert cudnn_version(number) == text


async def test_a_cuda_torch_reports_its_versions(environment):
    torch = TORCH.format(cuda="12.4", cudnn=90100, available=True, version="2.6.0+cu124")
    found = await probe(environment(torch))
    assert (found.torch, found.torch_cuda, found.cudnn) == ("2.6.0+cu124", "12.4", "9.1.0")
    assert found.cuda_available
    assert found.problem is None
    assert found.python == ".".join(map(str, sys.version_info[:3]))


async def test_a_cpu_torch_has_neither_cuda_nor_cudnn(environment):
    torch = TORCH.format(cuda=None, cudnn=None, available=False, version="2.6.0+cpu")
    found = await probe(environment(torch))
    assert (found.torch, found.torch_cuda, found.cudnn) == ("2.6.0+cpu", None, None)


async def test_a_missing_torch_is_not_a_broken_one(environment):
    missing = "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')"
    assert (await probe(environment(missing))).problem is Problem.TORCH_MISSING
    half = await probe(environment("import a_part_that_is_not_there"))
    assert half.problem is Problem.TORCH_BROKEN
    assert "a_part_that_is_not_there" in half.detail


async def test_a_torch_that_fails_to_load_is_reported_with_its_own_message(environment):
    found = await probe(environment("raise OSError('libcudnn.so.9: cannot open')"))
    assert found.problem is Problem.TORCH_BROKEN
    assert found.detail == "OSError: libcudnn.so.9: cannot open"


async def test_a_python_that_is_not_there_is_missing():
    found = await probe(Interpreter("/nowhere/bin/python"))
    assert found.problem is Problem.PYTHON_MISSING
    assert "/nowhere/bin/python" in found.detail


async def test_a_python_that_dies_is_broken_with_its_last_line(script):
    found = await probe(script("echo lots of noise >&2; echo no site module >&2; exit 3"))
    assert found.problem is Problem.PYTHON_BROKEN
    assert found.detail == "no site module"


async def test_a_python_that_prints_nonsense_is_broken(script):
    found = await probe(script("echo 'gpudock-probe:{not json'; echo 'gpudock-probe:[1]'"))
    assert found.problem is Problem.PYTHON_BROKEN


async def test_a_python_that_may_not_be_run_is_broken(tmp_path):
    path = tmp_path / "python"
    path.write_text("#!/bin/sh\n")
    found = await probe(Interpreter(str(path)))
    assert found.problem is Problem.PYTHON_BROKEN
    assert str(path) in found.detail


async def test_ten_megabytes_of_noise_hide_no_result_and_fill_no_memory(script):
    noise = "head -c 10000000 /dev/zero | tr '\\0' x; head -c 10000000 /dev/zero >&2"
    answer = """echo; echo 'gpudock-probe:{"python": "3.11.0", "torch": "2.6.0"}'"""
    found = await probe(script(f"{noise}; {answer}"))
    assert (found.problem, found.python, found.torch) == (None, "3.11.0", "2.6.0")


@pytest.mark.parametrize("value", ["7", "[1]", '{"a": 1}', "true", "NaN", '"' + "x" * 9000 + '"'])
async def test_a_result_of_wrong_types_is_never_passed_on(script, value):
    names = ("python", "torch", "torch_cuda", "cudnn_built", "nccl", "archs", "detail", "cudnn")
    document = ", ".join(f'"{name}": {value}' for name in names)
    found = await probe(script(f"cat <<'END'\ngpudock-probe:{{{document}}}\nEND"))
    for name in ("python", "torch", "torch_cuda", "cudnn_built", "nccl", "cudnn"):
        version = getattr(found, name)
        assert version is None or (isinstance(version, str) and len(version) <= 100), name
    assert all(isinstance(arch, str) for arch in found.archs)
    json.dumps(dataclasses.asdict(found), allow_nan=False)


async def test_a_python_that_prints_without_end_is_stopped(script):
    found = await probe(script("exec yes"), timeout_s=0.5)
    assert found.problem is Problem.PROBE_TIMEOUT


async def test_an_environment_that_was_slow_once_is_asked_again_by_itself(script, tmp_path):
    slow_once = f"test -e {tmp_path}/warm || {{ touch {tmp_path}/warm; exec sleep 600; }}"
    answer = """echo 'gpudock-probe:{"python": "3.13.1", "torch": "2.6.0"}'"""
    found = await probe(script(f"{slow_once}; {answer}"), timeout_s=3.0)
    assert found.problem is None
    assert (found.python, found.torch) == ("3.13.1", "2.6.0")


async def test_an_environment_that_stays_slow_is_asked_twice_and_no_more(script, tmp_path):
    found = await probe(script(f"echo asked >> {tmp_path}/log; exec sleep 600"), timeout_s=5.0)
    assert found.problem is Problem.PROBE_TIMEOUT
    assert (tmp_path / "log").read_text().split() == ["asked", "asked"]


async def test_a_hanging_environment_is_ended_with_its_children(script, tmp_path, until):
    interpreter = script(f"sleep 600 & echo $! > {tmp_path}/child; wait")
    found = await probe(interpreter, timeout_s=5.0)
    assert found.problem is Problem.PROBE_TIMEOUT
    child = int((tmp_path / "child").read_text())

    def is_gone() -> bool:
        try:
            status = Path(f"/proc/{child}/stat").read_text()
            return status.rsplit(")", 1)[1].split()[0] == "Z"
        except FileNotFoundError:
            return True

    await until(is_gone, "the end of the child process")


async def test_a_result_is_kept_until_the_gpus_change_or_it_is_requested_again(
    environment, tmp_path
):
    interpreter = environment(
        TORCH.format(cuda="12.4", cudnn=90100, available=True, version="2.6.0")
    )
    prober = Prober(30.0)

    def imports() -> int:
        return len((tmp_path / "imports").read_text())

    await asyncio.gather(*(prober.probe(interpreter, gpu_state="ok") for _ in range(5)))
    await prober.probe(interpreter, gpu_state="ok")
    assert imports() == 1
    await prober.probe(interpreter, gpu_state="lost")
    assert imports() == 2
    await prober.probe(interpreter, gpu_state="ok", refresh=True)
    assert imports() == 3


async def test_a_result_expires(environment, tmp_path):
    now = 0.0
    prober = Prober(30.0, clock=lambda: now)
    interpreter = environment(TORCH.format(cuda=None, cudnn=None, available=False, version="2"))
    await prober.probe(interpreter, gpu_state="ok")
    now = 601.0
    await prober.probe(interpreter, gpu_state="ok")
    assert (tmp_path / "imports").read_text() == "xx"


async def test_who_asks_first_may_go_away(environment):
    interpreter = environment(TORCH.format(cuda=None, cudnn=None, available=False, version="2"))
    prober = Prober(30.0)
    first = asyncio.create_task(prober.probe(interpreter, gpu_state="ok"))
    await asyncio.sleep(0)
    second = asyncio.create_task(prober.probe(interpreter, gpu_state="ok"))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).torch == "2"


def test_the_kernels_that_jupyter_starts_with_its_own_python():
    argv = ["python3", "-m", "ipykernel_launcher"]
    assert interpreter_of(argv, {}, "python") == Interpreter(sys.executable)


def test_a_kernel_of_another_environment_keeps_its_path_and_variables():
    argv = ["/opt/conda/envs/old/bin/python", "-m", "ipykernel_launcher"]
    found = interpreter_of(argv, {"LD_LIBRARY_PATH": "/opt/cuda"}, "Python")
    assert found == Interpreter(argv[0], (("LD_LIBRARY_PATH", "/opt/cuda"),))


@pytest.mark.parametrize(
    ("argv", "language"),
    [(["R", "--slave"], "R"), (["/opt/start-kernel.sh"], "python"), ([], "python")],
)
def test_a_kernel_without_a_python_in_its_command(argv, language):
    assert interpreter_of(argv, {}, language) is None


FULL_TORCH = """
class version: cuda = "12.4"
class _cudnn:
    @staticmethod
    def getCompileVersion(): return (9, 1, 0)
    @staticmethod
    def getRuntimeVersion(): return (8, 9, 7)
class _C:
    _cudnn = _cudnn
    @staticmethod
    def _cuda_getArchFlags(): return "sm_80 sm_90 compute_90"
class backends:
    class cudnn:
        @staticmethod
        def version(): {version}
class cuda:
    class nccl:
        @staticmethod
        def version(): return (2, 21, 5)
    @staticmethod
    def is_available(): return True
__version__ = "2.6.0"
"""


async def test_what_torch_was_built_with_is_reported(environment):
    found = await probe(environment(FULL_TORCH.format(version="return 90100")))
    assert (found.cudnn, found.cudnn_built, found.nccl) == ("9.1.0", "9.1.0", "2.21.5")
    assert found.archs == ("sm_80", "sm_90", "compute_90")
    assert found.executable == sys.executable


async def test_a_cudnn_that_torch_rejects_is_reported_with_its_version(environment):
    refusing = 'raise RuntimeError("cuDNN version incompatibility")'
    found = await probe(environment(FULL_TORCH.format(version=refusing)))
    assert found.problem is None
    assert (found.cudnn, found.cudnn_built) == ("8.9.7", "9.1.0")


async def test_a_torch_that_was_installed_since_is_seen(environment, tmp_path):
    interpreter = environment("raise ModuleNotFoundError('torch', name='torch')")
    prober = Prober(30.0)
    first = await prober.probe(interpreter, gpu_state="ok")
    assert first.problem is Problem.TORCH_MISSING
    assert await prober.knows(interpreter, "ok")
    environment(TORCH.format(cuda=None, cudnn=None, available=False, version="2.6.0"))
    os.utime(tmp_path / "library", (1, 1))  # as when a package comes: the folder has changed
    assert not await prober.knows(interpreter, "ok")
    assert (await prober.probe(interpreter, gpu_state="ok")).torch == "2.6.0"
