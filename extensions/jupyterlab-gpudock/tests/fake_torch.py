"""A torch that computes nothing: its text is put into kernels and environments of tests."""

SOURCE = """
import sys, types

class _Backend(types.ModuleType):
    def __init__(self, name, **values):
        super().__init__(name)
        self.__dict__.update(values)

__version__ = "2.6.0+cu124"
MIB = 1024 * 1024
calls = []

class _Properties:
    def __init__(self, index):
        self.name = "NVIDIA A100-SXM4-40GB"
        self.uuid = "11111111-2222-3333-4444-55555555555%d" % index

class _Cuda:
    initialized = True
    reserved = {0: 900 * MIB, 1: 0}
    allocated = {0: 400 * MIB, 1: 0}
    broken = None
    def is_initialized(self):
        if self.broken: raise RuntimeError(self.broken)
        return self.initialized
    def device_count(self): return 2
    def get_device_properties(self, index): return _Properties(index)
    def memory_allocated(self, index): return self.allocated[index]
    def memory_reserved(self, index): return self.reserved[index]
    def max_memory_allocated(self, index): return 700 * MIB if index == 0 else 0
    def max_memory_reserved(self, index): return 1000 * MIB if index == 0 else 0
    def empty_cache(self):
        calls.append("empty_cache")
        self.reserved[0] = self.allocated[0]
cuda = _Cuda()

class _C:
    _has_cudnn = True

backends = _Backend("torch.backends")
backends.cudnn = _Backend(
    "torch.backends.cudnn", enabled=True, benchmark=True, deterministic=False, allow_tf32=True
)
backends.cuda = _Backend("torch.backends.cuda", matmul=_Backend("matmul", allow_tf32=False))

def are_deterministic_algorithms_enabled(): return False
def is_autocast_enabled(device=None): return True
def get_autocast_dtype(device): return "torch.bfloat16"
"""


GPU_SOURCE = """
import os, sys, types, time

LOG = os.environ["FAKE_TORCH"]
MODE = open(LOG + ".mode").read() if os.path.exists(LOG + ".mode") else ""

def log(word):
    with open(LOG, "a") as file: file.write(word + "\\n")

log("visible " + os.environ["CUDA_VISIBLE_DEVICES"])
if MODE == "die":
    sys.stderr.write("Fatal: out of luck\\n")
    os._exit(7)
if MODE == "hang":
    import subprocess
    log("pid %d" % os.getpid())
    log("child %d" % subprocess.Popen(["sleep", "600"]).pid)
    time.sleep(600)

class _Namespace(types.SimpleNamespace): pass

now_ms = 0.0
state = {"autocast": False}

def _spend(full_ms):
    global now_ms
    now_ms += full_ms

class Tensor:
    def __init__(self, pinned=False): self.pinned = pinned
    def copy_(self, other, non_blocking=False):
        _spend(10.0 if (self.pinned or other.pinned) else 25.0)

def randn(*shape, device=None): return Tensor()
def empty(size, dtype=None, pin_memory=False, device=None): return Tensor(pin_memory)
uint8 = float16 = bfloat16 = object()

def matmul(left, right):
    if state["autocast"]: _spend(1.0)
    elif backends.cuda.matmul.allow_tf32: _spend(2.0)
    else: _spend(8.0)

class _Event:
    def __init__(self, enable_timing): pass
    def record(self): self.at = now_ms
    def elapsed_time(self, end): return end.at - self.at

def _conv2d(images, weights, padding):
    if MODE == "no_conv": raise RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED")
    _spend(1.0 if backends.cudnn.enabled else 3.0)

class autocast:
    def __init__(self, device_type, dtype): pass
    def __enter__(self): state["autocast"] = True
    def __exit__(self, *error): state["autocast"] = False

cuda = _Namespace(
    is_available=lambda: MODE != "no_cuda",
    mem_get_info=lambda: ((100 if MODE == "full" else 30000) << 20, 40000 << 20),
    is_bf16_supported=lambda: MODE != "old",
    get_device_capability=lambda: (7, 5) if MODE == "old" else (8, 0),
    Event=_Event,
    synchronize=lambda: None,
    empty_cache=lambda: log("empty_cache"),
)
backends = _Namespace(
    cudnn=_Namespace(is_available=lambda: True, enabled=True, benchmark=False, allow_tf32=True),
    cuda=_Namespace(matmul=_Namespace(allow_tf32=False)),
)
nn = _Namespace(functional=_Namespace(conv2d=_conv2d))
print("a noisy import")
"""
