"""Puts simulated GPUs on a host: library, device nodes, state, and CDI specification."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

from simulator import cdi
from simulator.errors import SimulatorError
from simulator.gpus import Gpu
from simulator.library import SONAME, build_library
from simulator.state import Simulator

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_GPUS = 64  # as many as the library reads
DEFAULT_MODEL = "A100-SXM4-40GB"
HARMLESS_DEVICE = os.makedev(1, 3)  # /dev/null's: opening a simulated GPU's node does nothing


@dataclass(frozen=True)
class Installation:
    """Where simulated GPUs were put, and whether that changed anything."""

    simulator: Simulator
    library: Path
    specification: Path
    changed: bool


def install(
    prefix: str | os.PathLike[str],
    cdi_dir: str | os.PathLike[str],
    gpus: int | Sequence[Gpu],
    models: Sequence[str] = (),
    *,
    nvidia_smi: str | os.PathLike[str] | None = None,
    lively: bool = True,
) -> Installation:
    """Installs that many simulated GPUs under ``prefix``, as root on the engine's host.

    ``models`` are given out in turn. A GPU that is there already, with the same index and model,
    stays as it is, UUID and readings included, so a second install with the same numbers changes
    nothing. ``gpus`` may also be the GPUs themselves, which then replace whatever was there.
    SimulatorError where that is impossible: not root, another specification for NVIDIA's GPUs, no
    compiler, an unknown model.
    """
    root, specs = Path(prefix).resolve(), Path(cdi_dir)
    cdi.refuse_foreign(specs, root)
    simulator = Simulator(root / "state")
    present = simulator.gpus if simulator.state_file.exists() else []
    wanted = _wanted(gpus, models, present, lively=lively) if isinstance(gpus, int) else list(gpus)
    changed = not simulator.state_file.exists() or wanted != present
    for directory in (root / "lib", root / "dev" / "nvidia-caps", simulator.directory, specs):
        directory.mkdir(parents=True, exist_ok=True)
    simulator.directory.chmod(0o755)  # whatever the umask: users in containers read it
    library = root / "lib" / SONAME
    changed |= _put_bytes(library, build_library().read_bytes(), mode=0o644)
    if wanted != present or not simulator.state_file.exists():
        simulator.create(wanted, simulator.system if simulator.state_file.exists() else None)
    changed |= _put_nodes(root / "dev", wanted)
    smi = None
    if nvidia_smi is not None:
        smi = root / "bin" / "nvidia-smi"
        smi.parent.mkdir(exist_ok=True)
        changed |= _put_bytes(smi, Path(nvidia_smi).read_bytes(), mode=0o755)
    # Last: a reader of the specification finds everything that it points at.
    specification = specs / cdi.SPEC_NAME
    text = cdi.spec_text(cdi.specification(root, wanted, smi))
    changed |= _put_bytes(specification, text.encode(), mode=0o644)
    return Installation(simulator, library, specification, changed)


def uninstall(prefix: str | os.PathLike[str], cdi_dir: str | os.PathLike[str]) -> None:
    """Removes what ``install`` put there; nothing where there is nothing."""
    root, specs = Path(prefix).resolve(), Path(cdi_dir)
    if cdi.owner(specs) == root:
        (specs / cdi.SPEC_NAME).unlink()
    for name in ("lib", "dev", "state", "bin"):
        shutil.rmtree(root / name, ignore_errors=True)
    if root.is_dir() and not any(root.iterdir()):
        root.rmdir()


def _wanted(
    count: int, models: Sequence[str], present: Sequence[Gpu], *, lively: bool
) -> list[Gpu]:
    if not 0 <= count <= MAX_GPUS:
        raise SimulatorError(f"{count} simulated GPUs are not possible: ask for 0 to {MAX_GPUS}.")
    known = {gpu.index: gpu for gpu in present}
    wanted = []
    for index, model in enumerate(islice(cycle(models or (DEFAULT_MODEL,)), count)):
        fresh = Gpu.of_model(model, index, lively=lively)
        old = known.get(index)
        wanted.append(old if old is not None and old.name == fresh.name else fresh)
    return wanted


def _put_bytes(path: Path, content: bytes, mode: int) -> bool:
    """Writes the file in one step, unless it has this content; a container keeps what it had."""
    if path.is_file() and path.read_bytes() == content:
        return False
    fresh = path.with_name(f".{path.name}-{os.getpid()}")
    fresh.write_bytes(content)
    fresh.chmod(mode)
    fresh.replace(path)
    return True


def _put_nodes(directory: Path, gpus: Sequence[Gpu]) -> bool:
    wanted = {directory / name for name in cdi.CONTROL_NODES}
    wanted |= {directory / name for gpu in gpus for name in cdi.node_names(gpu)}
    present = {path for path in directory.rglob("nvidia*") if not path.is_dir()}
    for path in present - wanted:
        path.unlink()
    for path in sorted(wanted - present):
        try:
            os.mknod(path, stat.S_IFCHR | 0o666, HARMLESS_DEVICE)
        except PermissionError:
            raise SimulatorError(
                f"The device node {path} cannot be made: run this as root, where mknod is allowed."
            ) from None
        path.chmod(0o666)
    return wanted != present
