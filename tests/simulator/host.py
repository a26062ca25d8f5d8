"""A host with simulated GPUs that needs no root and no engine: for tests of what uses NVML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.cdi import node_names
from simulator.client import Client
from simulator.library import build_library
from simulator.state import Simulator

if TYPE_CHECKING:
    from pathlib import Path

    from simulator.gpus import Gpu


class Host:
    """A state file, a directory that stands for /dev, and the library, below one directory.

    ``environment`` are the variables that make a process use these GPUs. Nodes are plain files: a
    process sees the GPUs and slices whose nodes are there when it calls nvmlInit.
    """

    def __init__(self, directory: Path) -> None:
        self.simulator = Simulator(directory / "state")
        self.devices = directory / "dev"
        self.environment = {
            "LD_LIBRARY_PATH": str(build_library().parent),
            "GPUDOCK_SIMULATOR_STATE": str(self.simulator.state_file),
            "GPUDOCK_SIMULATOR_DEV": str(self.devices),
        }

    def create(self, *gpus: Gpu) -> Host:
        """Writes the state of these GPUs, and makes the nodes of all of them visible."""
        self.simulator.create(gpus)
        for gpu in self.simulator.gpus:
            for name in node_names(gpu):
                self.show(name)
        return self

    def show(self, node: str) -> None:
        """Makes a node, such as ``nvidia0``."""
        path = self.devices / node
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    def hide(self, node: str) -> None:
        """Takes a node away."""
        (self.devices / node).unlink()

    def client(self, *, initialize: bool = True) -> Client:
        """nvidia-ml-py in a new process of this host."""
        return Client(self.environment, initialize=initialize)
