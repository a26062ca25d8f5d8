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
