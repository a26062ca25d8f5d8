"""The CDI specification for simulated GPUs, laid out as ``nvidia-ctk cdi generate`` does it."""

from __future__ import annotations

import json
import os
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.errors import SimulatorError
from simulator.library import SONAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from simulator.gpus import Gpu, Slice

CDI_VERSION = "0.5.0"
KIND = "nvidia.com/gpu"
SPEC_NAME = "gpudock-simulator.json"
CONTROL_NODES = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools")
STATE_IN_CONTAINER = "/run/gpudock-simulator"
SMI_IN_CONTAINER = "/usr/bin/nvidia-smi"


def node_names(gpu: Gpu) -> list[str]:
    """The device nodes of a GPU and all its slices, relative to /dev."""
    return [f"nvidia{gpu.index}", *(name for piece in gpu.slices for name in _capabilities(piece))]


def specification(
    prefix: Path, gpus: Sequence[Gpu], nvidia_smi: Path | None = None
) -> dict[str, Any]:
    """The specification: each GPU by index and UUID, each MIG slice by N:M and UUID, and ``all``.

    ``prefix`` is where ``install`` put nodes, library and state, on the engine's host.
    """
    devices = []
    for gpu in gpus:
        edits = _edits(prefix, [f"nvidia{gpu.index}"])
        devices += [{"name": name, "containerEdits": edits} for name in (str(gpu.index), gpu.uuid)]
        for number, piece in enumerate(gpu.slices):
            edits = _edits(prefix, [f"nvidia{gpu.index}", *_capabilities(piece)])
            names = (f"{gpu.index}:{number}", piece.uuid)
            devices += [{"name": name, "containerEdits": edits} for name in names]
    every_node = [name for gpu in gpus for name in node_names(gpu)]
    if devices:
        devices.append({"name": "all", "containerEdits": _edits(prefix, every_node)})
    return {
        "cdiVersion": CDI_VERSION,
        "kind": KIND,
        "devices": devices,
        "containerEdits": {
            "env": ["NVIDIA_VISIBLE_DEVICES=void"],
            **_edits(prefix, CONTROL_NODES),
            "mounts": _mounts(prefix, nvidia_smi),
        },
    }


def spec_text(specification: dict[str, Any]) -> str:
    """The specification as the text of its file."""
    return json.dumps(specification, indent=2) + "\n"


def owner(cdi_dir: Path) -> Path | None:
    """The prefix of the simulated GPUs that the directory offers now; None where it offers none."""
    try:
        mounts = json.loads((cdi_dir / SPEC_NAME).read_text(encoding="utf-8"))["containerEdits"]
        states = (each for each in mounts["mounts"] if each["containerPath"] == STATE_IN_CONTAINER)
        return Path(next(states)["hostPath"]).parent
    except (OSError, ValueError, LookupError, TypeError, StopIteration):
        return None


def refuse_foreign(cdi_dir: Path, prefix: Path) -> None:
    """Raises SimulatorError where the directory offers other GPUs, real ones or simulated ones."""
    other = owner(cdi_dir)
    if other is not None and other != prefix and other.exists():
        raise SimulatorError(
            f"{cdi_dir} offers the simulated GPUs of {other} already: uninstall those first."
        )
    for path in sorted(cdi_dir.glob("*")) if cdi_dir.is_dir() else ():
        if (
            path.suffix in (".json", ".yaml", ".yml")
            and path.name != SPEC_NAME
            and _defines_gpus(path)
        ):
            raise SimulatorError(
                f"{path} defines {KIND} devices already, so this host seems to have real GPUs: "
                "use those, or move that file away to try simulated ones."
            )


def _defines_gpus(path: Path) -> bool:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return (
        re.search(
            rf"""["']?\bkind["']?\s*:\s*["']?{re.escape(KIND)}["']?\s*(,|\}}|$)""", text, re.M
        )
        is not None
    )


def _capabilities(piece: Slice) -> list[str]:
    numbers = (piece.gpu_instance_capability, piece.compute_instance_capability)
    return [f"nvidia-caps/nvidia-cap{number}" for number in numbers]


def _edits(prefix: Path, names: Iterable[str]) -> dict[str, Any]:
    return {
        "deviceNodes": [
            {"path": f"/dev/{name}", "hostPath": str(prefix / "dev" / name)} for name in names
        ]
    }


def _mounts(prefix: Path, nvidia_smi: Path | None) -> list[dict[str, Any]]:
    libraries = f"/usr/lib/{platform.machine()}-linux-gnu"
    mounts = {
        f"{libraries}/{SONAME}": prefix / "lib" / SONAME,
        STATE_IN_CONTAINER: prefix / "state",
    }
    if nvidia_smi:
        mounts[SMI_IN_CONTAINER] = nvidia_smi
    return [
        {
            "containerPath": target,
            "hostPath": os.fspath(source),
            "options": ["ro", "nosuid", "nodev", "rbind", "rprivate"],
        }
        for target, source in mounts.items()
    ]
