"""A fake torch in a kernel's environment. It computes nothing: its clock is a sum of costs.

The panel's own code is real on both sides of it: the probe of an environment, the program of a
check, and the look into a running kernel import it as they would import torch.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_SOURCE = '''
import json, os, time, types

def _state():
    with open(os.environ["STANDIN_TORCH"]) as file:
        return json.load(file)

_about = _state()
if _about["import_error"]:
    raise ImportError(_about["import_error"])

def _hold(step):
    """Wait for as long as the test says so."""
    while _state()["hold"] == step:
        time.sleep(0.02)

class _Namespace(types.ModuleType):
    def __init__(self, name, **values):
        super().__init__(name)
        self.__dict__.update(values)

__version__ = _about["torch"]
version = _Namespace("version", cuda=_about["cuda"])
MIB = 1024 * 1024
now_ms = 0.0
half = {"on": False}

def _spend(milliseconds):
    global now_ms
    now_ms += milliseconds

class Tensor:
    def __init__(self, pinned=False): self.pinned = pinned
    def copy_(self, other, non_blocking=False):
        _hold("bandwidth")
        _spend(10.0 if (self.pinned or other.pinned) else 25.0)

def randn(*shape, device=None): return Tensor()
def empty(size, dtype=None, pin_memory=False, device=None): return Tensor(pin_memory)
uint8, float16, bfloat16 = "uint8", "float16", "bfloat16"

def matmul(left, right):
    if half["on"]: _spend(1.0)
    elif backends.cuda.matmul.allow_tf32:
        _hold("tf32")
        _spend(2.0)
    else: _spend(8.0)

class autocast:
    def __init__(self, device_type, dtype): self.kind = dtype
    def __enter__(self):
        _hold({"float16": "fp16", "bfloat16": "bf16"}[self.kind])
        half["on"] = True
    def __exit__(self, *error): half["on"] = False

def _conv2d(images, weights, padding):
    _hold("cudnn")
    if _about["conv_error"]: raise RuntimeError(_about["conv_error"])
    _spend(1.0 if backends.cudnn.enabled else 3.42)

class _Event:
    def __init__(self, enable_timing): pass
    def record(self): self.at = now_ms
    def elapsed_time(self, end): return end.at - self.at

reserved = [2048 * MIB]

def _empty_cache(): reserved[0] = 512 * MIB

def is_autocast_enabled(device=None): return False
def get_autocast_dtype(device): return float16
def are_deterministic_algorithms_enabled(): return False

cuda = _Namespace(
    "torch.cuda",
    is_available=lambda: _about["available"],
    is_initialized=lambda: _about["available"],
    mem_get_info=lambda: (_about["free_mib"] * MIB, 40960 * MIB),
    is_bf16_supported=lambda: _about["capability"] >= [8, 0],
    get_device_capability=lambda: tuple(_about["capability"]),
    Event=_Event,
    synchronize=lambda: None,
    empty_cache=_empty_cache,
    device_count=lambda: 1,
    get_device_properties=lambda index: types.SimpleNamespace(name="A100", uuid=""),
    memory_allocated=lambda index: 512 * MIB,
    memory_reserved=lambda index: reserved[0],
    max_memory_allocated=lambda index: 1024 * MIB,
    max_memory_reserved=lambda index: 2048 * MIB,
    nccl=_Namespace("nccl", version=lambda: (2, 21, 5)),
)
_C = types.SimpleNamespace(
    _has_cudnn=True,
    _cudnn=types.SimpleNamespace(getCompileVersion=lambda: (9, 1, 0)),
    _cuda_getArchFlags=lambda: _about["archs"],
)
backends = _Namespace(
    "torch.backends",
    cudnn=_Namespace(
        "torch.backends.cudnn", is_available=lambda: True, version=lambda: _about["cudnn"],
        enabled=True, benchmark=True, deterministic=False, allow_tf32=True,
    ),
    cuda=_Namespace("torch.backends.cuda", matmul=_Namespace("matmul", allow_tf32=False)),
)
nn = _Namespace("torch.nn", functional=_Namespace("functional", conv2d=_conv2d))
'''

USABLE: dict[str, Any] = {
    "torch": "2.6.0+cu124",
    "cuda": "12.4",
    "cudnn": 90100,
    "archs": "sm_80 sm_90",
    "available": True,
    "capability": [8, 0],
    "free_mib": 30_000,
    "import_error": "",
    "conv_error": "",
    "hold": "",
}
"""How a torch behaves that goes with an A100 and driver 550."""


class StandInTorch:
    """A kernel environment with the fake torch.

    Args:
        folder: A folder of its own, empty.
        name: The kernel's display name.
        behavior: What differs from ``USABLE``.
    """

    def __init__(self, folder: Path, name: str, **behavior: Any) -> None:
        self._behavior = folder / "behavior.json"
        self._state = {**USABLE, **behavior}
        library = folder / "library"
        library.mkdir(parents=True)
        (library / "torch.py").write_text(_SOURCE)
        self.spec = {
            "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": name,
            "language": "python",
            "env": {"PYTHONPATH": str(library), "STANDIN_TORCH": str(self._behavior)},
        }
        self.become()

    def become(self, **behavior: Any) -> None:
        """Behave otherwise from now on; ``hold`` names the step of a check that does not end."""
        self._state.update(behavior)
        newer = self._behavior.with_suffix(".new")
        newer.write_text(json.dumps(self._state))
        newer.replace(self._behavior)
