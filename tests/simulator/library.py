"""Compiling the simulated NVML, and reading how often it was called."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
from pathlib import Path

from simulator.errors import SimulatorError

SOURCES = Path(__file__).parent / "nvml"
SONAME = "libnvidia-ml.so.1"
COMPILER_OPTIONS = (
    "-std=gnu11",
    "-O2",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
)
LINKER_OPTIONS = (f"-Wl,-soname,{SONAME}", "-Wl,-z,defs", "-lm", "-lpthread")
_COUNTER = struct.Struct("=56sQ")


def cache_directory() -> Path:
    """Where compiled libraries and fetched tools are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "gpudock" / "simulator"


def build_library(options: tuple[str, ...] = (), cache: Path | None = None) -> Path:
    """Compiles the library unless these very sources were compiled before, and says where it lies.

    ``options`` are added to the compiler's. The directory of the file is what LD_LIBRARY_PATH
    takes. SimulatorError where there is no C compiler or it fails.
    """
    sources = sorted(SOURCES.glob("*.c"))
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise SimulatorError("The simulated GPUs need a C compiler and there is none: install gcc.")
    command = [compiler, *COMPILER_OPTIONS, *options, *map(str, sources), *LINKER_OPTIONS]
    digest = hashlib.sha256("\0".join(command).encode())
    for source in sorted([*sources, *SOURCES.glob("*.h")]):
        digest.update(source.read_bytes())
    directory = (cache or cache_directory()) / digest.hexdigest()[:20]
    library = directory / SONAME
    if library.exists():
        return library
    directory.mkdir(parents=True, exist_ok=True)
    unfinished = directory / f".{SONAME}-{os.getpid()}"
    result = subprocess.run(
        [*command, "-o", str(unfinished)], capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise SimulatorError(
            f"The simulated NVML does not compile with {compiler}:\n{result.stderr}"
        )
    unfinished.replace(library)
    return library


def read_calls(path: str | os.PathLike[str]) -> dict[str, int]:
    """How often each NVML function was called, from the file that GPUDOCK_SIMULATOR_CALLS named.

    Empty before the first call.
    """
    try:
        records = Path(path).read_bytes()
    except FileNotFoundError:
        return {}
    counts = {}
    for name, calls in _COUNTER.iter_unpack(
        records[: len(records) // _COUNTER.size * _COUNTER.size]
    ):
        if name[0]:
            counts[name.rstrip(b"\0").decode()] = calls
    return counts
