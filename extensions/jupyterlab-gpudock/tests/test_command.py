"""``gpudock-env``, with the interpreters and drivers of the tests."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
from samples import A100, HEALTHY

from jupyterlab_gpudock.command import main as command
from jupyterlab_gpudock.kernel.container import Container
from jupyterlab_gpudock.nvml.readings import Reading, State

PACKAGE = Path(__file__).parents[1]
GIVEN = Container(True, ("/dev/nvidia0",), has_uvm=True, requested="void", lease="a")
TORCH = """
class version: cuda = "12.4"
class _cudnn:
    @staticmethod
    def getCompileVersion(): return (9, 1, 0)
class _C:
    _cudnn = _cudnn
    @staticmethod
    def _cuda_getArchFlags(): return "sm_80 compute_90"
class backends:
    class cudnn:
        enabled = True
        @staticmethod
        def version(): return 90100
class cuda:
    @staticmethod
    def is_available(): return True
    @staticmethod
    def device_count(): return 0
__version__ = "2.6.0+cu124"
"""


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs the command for a torch, readings and a container; returns status and output."""

    def run(torch: str, reading: Reading, container: Container, *arguments: str):
        (tmp_path / "torch.py").write_text(torch)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setattr(command, "_read_gpus", lambda timeout_s: reading)
        monkeypatch.setattr(command, "read_container", lambda: container)
        status = command.main(["--python", sys.executable, *arguments])
        return status, capsys.readouterr().out

    return run


def test_a_usable_environment_ends_with_0_and_the_answer_comes_first(run):
    gpu = dataclasses.replace(A100, compute_capability="8.0")
    reading = dataclasses.replace(HEALTHY, gpus=(gpu,))
    status, text = run(TORCH, reading, GIVEN)
    assert status == 0, text
    first, second, *_ = text.splitlines()
    assert first.split() == ["cuDNN", "yes,", "9.1.0"]
    assert second.split() == ["GPU", "is", "used", "yes"]
    assert "525.60.13 or newer" in text
    assert "compute capability 8.0, torch has machine code" in text


def test_the_document_has_versions_limits_and_findings(run):
    status, text = run(TORCH, HEALTHY, GIVEN, "--json")
    document = json.loads(text)
    assert (document["version"], document["exit_status"], document["usable"]) == (1, status, True)
    assert document["torch"]["version"] == "2.6.0+cu124"
    assert document["cudnn"]["version"] == document["cudnn"]["built_version"] == "9.1.0"
    assert document["driver"]["needed_version"] == "525.60.13"
    assert document["findings"][0]["id"] == "usable"
    assert set(document["limits"]) >= {"memory_mib", "shm_mib", "open_files", "cpus"}


def test_a_container_without_a_gpu_ends_with_3(run):
    reading = Reading(State.NO_DRIVER, "NVML Shared Library Not Found")
    status, text = run(TORCH, reading, Container(True, requested="void"))
    assert status == 3
    assert "[no_gpu_given]" in text


def test_a_simulated_gpu_ends_with_4(run):
    gpu = dataclasses.replace(A100, simulated=True)
    status, text = run(TORCH, dataclasses.replace(HEALTHY, gpus=(gpu,)), GIVEN)
    assert status == 4
    assert "no: it is simulated" in text


@pytest.mark.parametrize(
    ("torch", "status", "finding", "words"),
    [
        ("raise ImportError('libcudnn.so.9: cannot open')", 1, "torch_broken", "libcudnn.so.9"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", 1, "torch_crashed", "SIGSEGV"),
        ("import os; os._exit(7)", 1, "python_broken", "exit status 7"),
    ],
)
def test_a_broken_torch_is_reported_and_ends_with_1(run, torch, status, finding, words):
    found, text = run(torch, HEALTHY, GIVEN)
    assert found == status, text
    assert f"[{finding}]" in text
    assert words in text


def test_a_torch_that_hangs_ends_with_5(run):
    status, text = run("import time; time.sleep(600)", HEALTHY, GIVEN, "--timeout", "3")
    assert status == 5
    assert "[probe_timeout]" in text


def test_a_python_that_does_not_exist_is_named(run):
    status, text = run(TORCH, HEALTHY, GIVEN, "--python", "/nowhere/python")
    assert status == 1
    assert "/nowhere/python" in text


def test_a_torch_in_the_users_folder_that_hides_another_is_reported(run, tmp_path, monkeypatch):
    hidden = tmp_path / "system" / "torch"
    hidden.mkdir(parents=True)
    (hidden / "version.py").write_text("__version__ = '2.6.0+cu124'\n")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    user = tmp_path / "base" / "lib" / version / "site-packages" / "torch"
    user.mkdir(parents=True)
    (user / "__init__.py").write_text(TORCH.replace('cuda = "12.4"', "cuda = None"))
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "base"))
    monkeypatch.setattr(command, "_read_gpus", lambda timeout_s: HEALTHY)
    monkeypatch.setattr(command, "read_container", lambda: GIVEN)
    monkeypatch.setenv("PYTHONPATH", f"{user.parent}:{hidden.parent}")
    report = command.asyncio.run(command._report(sys.executable, 60.0))
    finding = report.assessment.findings[0]
    assert finding.id == "torch_cpu_only_user_package"
    assert finding.parameters["hidden"] == "2.6.0+cu124"


@pytest.mark.parametrize("seconds", ["0", "-1", "x", "nan"])
def test_a_senseless_timeout_ends_with_2(seconds):
    with pytest.raises(SystemExit) as error:
        command.main([f"--timeout={seconds}"])
    assert error.value.code == 2


def test_it_starts_in_less_than_0_3_s_and_imports_no_jupyter():
    code = (
        "import json, sys, time\nimport jupyterlab_gpudock.command.main\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "print(json.dumps([time.process_time(), sorted(names)]))"
    )

    def measured() -> list:
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=PACKAGE,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        return json.loads(done.stdout)

    results = [measured() for _ in range(3)]
    heavy = ("torch", "pynvml", "tornado", "traitlets", "jupyter_server", "jupyter_core", "numpy")
    assert not set(heavy) & set(results[0][1])
    assert min(seconds for seconds, _ in results) <= 0.3
