"""The expressions, in a real kernel with a torch that computes nothing, and by themselves."""

from __future__ import annotations

import builtins
import json
import sys
import threading
import types
from pathlib import Path

import pytest
from fake_torch import SOURCE
from jupyter_client.manager import start_new_kernel

from jupyterlab_gpudock.kernel import kernel_state
from jupyterlab_gpudock.kernel.snippets import snippets

LOAD = f"""
import sys, types
torch = types.ModuleType('torch')
sys.modules['torch'] = torch
exec({SOURCE!r}, torch.__dict__)
"""


@pytest.fixture(scope="module")
def client():
    manager, client = start_new_kernel(kernel_name="python3")
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def run(client, code: str) -> dict:
    reply = client.execute_interactive(
        code, timeout=60, output_hook=lambda message: None, allow_stdin=False
    )
    assert reply["content"]["status"] == "ok", reply["content"]
    return reply["content"]


def value(client, expression: str) -> str:
    reply = client.execute_interactive(
        "",
        silent=True,
        store_history=False,
        user_expressions={"value": expression},
        allow_stdin=False,
        timeout=60,
    )
    found = reply["content"]["user_expressions"]["value"]
    assert found["status"] == "ok", found
    return found["data"]["text/plain"]


def ask(client, question: str) -> dict:
    """Ask as the front end does."""
    return json.loads(value(client, snippets()[question]))


def forget_torch(client) -> None:
    run(client, "import sys\nsys.modules.pop('torch', None)")


@pytest.fixture
def torch(client):
    run(client, LOAD)
    yield
    forget_torch(client)


def test_a_kernel_without_torch_is_not_made_to_load_it(client):
    forget_torch(client)
    state = ask(client, "state")
    assert (state["torch_loaded"], state["torch"], state["devices"]) == (False, None, [])
    assert value(client, "'torch' in __import__('sys').modules") == "False"
    assert ask(client, "release")["reason"] == "torch_not_loaded"


def test_the_state_of_a_kernel_that_has_torch(client, torch):
    assert ask(client, "state") == {
        "torch_loaded": True,
        "torch": "2.6.0+cu124",
        "cuda_initialized": True,
        "cudnn_available": True,
        "cudnn_enabled": True,
        "cudnn_version": None,
        "benchmark": True,
        "deterministic": False,
        "tf32_matmul": False,
        "tf32_cudnn": True,
        "fp32_precision_matmul": None,
        "fp32_precision_cudnn": None,
        "autocast": True,
        "autocast_dtype": "bfloat16",
        "devices": [
            {
                "index": 0,
                "uuid": "GPU-11111111-2222-3333-4444-555555555550",
                "name": "NVIDIA A100-SXM4-40GB",
                "allocated_mib": 400.0,
                "reserved_mib": 900.0,
                "peak_allocated_mib": 700.0,
                "peak_reserved_mib": 1000.0,
            },
            {
                "index": 1,
                "uuid": "GPU-11111111-2222-3333-4444-555555555551",
                "name": "NVIDIA A100-SXM4-40GB",
                "allocated_mib": 0.0,
                "reserved_mib": 0.0,
                "peak_allocated_mib": 0.0,
                "peak_reserved_mib": 0.0,
            },
        ],
        "errors": [],
    }


def test_a_release_frees_what_is_cached_and_reports_how_much(client, torch):
    released = ask(client, "release")
    assert (released["done"], released["reason"], released["freed_mib"]) == (True, "released", 500)
    assert released["before"][0]["reserved_mib"] == 900
    assert released["after"][0]["reserved_mib"] == 400
    assert value(client, "__import__('sys').modules['torch'].calls") == "['empty_cache']"
    assert ask(client, "release")["freed_mib"] == 0


def test_a_torch_that_has_not_touched_a_gpu_is_not_made_to(client, torch):
    run(client, "torch.cuda.initialized = False\ntorch.cuda.device_count = None")
    state = ask(client, "state")
    assert (state["cuda_initialized"], state["devices"], state["errors"]) == (False, [], [])
    assert ask(client, "release")["reason"] == "cuda_not_used"
    assert value(client, "torch.calls") == "[]"


def test_the_newer_names_of_precisions_are_read_and_the_old_switch_is_left_alone(client, torch):
    run(
        client,
        """
class Refusing:
    fp32_precision = "none"
    @property
    def allow_tf32(self): raise RuntimeError("mixing old and new")
torch.backends.fp32_precision = "ieee"
torch.backends.cuda.matmul = Refusing()
torch.backends.cudnn.fp32_precision = "tf32"
torch.backends.cudnn.conv = Refusing()
""",
    )
    state = ask(client, "state")
    assert (state["fp32_precision_matmul"], state["tf32_matmul"]) == ("ieee", False)
    assert (state["fp32_precision_cudnn"], state["tf32_cudnn"]) == ("tf32", True)
    assert state["errors"] == []


def test_a_torch_that_fails_is_reported_and_raises_nothing(client, torch):
    run(client, "torch.cuda.broken = 'CUDA error: device-side assert triggered'")
    state = ask(client, "state")
    assert state["cuda_initialized"] is None
    assert "device-side assert" in state["errors"][0]
    released = ask(client, "release")
    assert (released["done"], released["reason"]) == (False, "failed")


def test_a_torch_in_the_middle_of_its_import_counts_as_not_loaded(client):
    run(client, "import sys, types\nsys.modules['torch'] = types.ModuleType('torch')")
    assert ask(client, "state")["torch_loaded"] is False
    forget_torch(client)


def test_the_users_session_keeps_no_trace(client, torch):
    run(client, "del sys, types\n_before = sorted(globals())\n42")
    count = run(client, "pass")["execution_count"]
    names = value(client, "sorted(name for name in globals() if name not in _before)")
    ask(client, "state")
    ask(client, "release")
    assert value(client, "sorted(name for name in globals() if name not in _before)") == names
    assert (
        value(client, "[name for name in __import__('sys').modules if 'gpudock' in name]") == "[]"
    )
    assert run(client, "pass")["execution_count"] == count + 1
    assert "result" not in value(client, "__import__('builtins').__dict__.keys()")


def test_a_session_that_has_overwritten_pythons_own_names_does_not_break_it(client, torch):
    run(client, "exec = dict = str = getattr = None")
    assert ask(client, "state")["torch_loaded"] is True
    run(client, "del exec, dict, str, getattr")


def fake(monkeypatch) -> types.ModuleType:
    module = types.ModuleType("torch")
    exec(SOURCE, module.__dict__)
    monkeypatch.setitem(sys.modules, "torch", module)
    return module


def test_autocast_is_unknown_in_another_thread(monkeypatch):
    fake(monkeypatch)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(kernel_state.result("state").document))
    thread.start()
    thread.join(20)
    assert answers[0]["autocast"] is None
    assert kernel_state.result("state").document["autocast"] is True


def test_an_old_torch_is_asked_the_old_way(monkeypatch):
    module = fake(monkeypatch)
    module.is_autocast_enabled = lambda: True
    del module.get_autocast_dtype
    module.get_autocast_gpu_dtype = lambda: "torch.float16"
    document = kernel_state.result("state").document
    assert document["autocast_dtype"] == "float16"


@pytest.mark.parametrize("name", ["cuda", "backends", "_C"])
def test_a_torch_that_lacks_something_raises_nothing(monkeypatch, name):
    module = fake(monkeypatch)
    delattr(module, name)
    json.loads(repr(kernel_state.result("state")))
    json.loads(repr(kernel_state.result("release")))


def test_the_text_is_python_of_2016(monkeypatch):
    import ast

    source = Path(kernel_state.__file__).read_text()
    ast.parse(source, feature_version=(3, 6))
    assert not hasattr(builtins, "result")
