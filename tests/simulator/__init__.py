"""Simulated GPUs: NVML's C interface over a text file, and CDI to hand them to containers.

``Simulator`` keeps the state file that the library reads; ``install`` puts library, device nodes,
state and CDI specification in place. README.md documents the state file and what simulated GPUs
cannot do. Standard library only.
"""

from simulator.errors import SimulatorError
from simulator.format import Wave
from simulator.gpus import Gpu, Process, Slice, System
from simulator.host import Host
from simulator.install import Installation, install, uninstall
from simulator.library import build_library, read_calls
from simulator.models import MODELS
from simulator.state import Simulator

__all__ = [
    "MODELS",
    "Gpu",
    "Host",
    "Installation",
    "Process",
    "Simulator",
    "SimulatorError",
    "Slice",
    "System",
    "Wave",
    "build_library",
    "install",
    "read_calls",
    "uninstall",
]
