"""Whether an environment can compute on the GPUs, and why not: rules over one table.

An assessment consists of codes with parameters. The front end has the translated messages; the
English ones here are for users of the REST interface. The contract calls it a verdict.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from jupyterlab_gpudock.kernel import compatibility as table
from jupyterlab_gpudock.nvml.readings import SIMULATED_MESSAGE, Reading, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyterlab_gpudock.kernel.environment import Environment

_MESSAGES = {
    "usable": "This environment can compute on the GPU, with cuDNN.",
    "usable_without_cudnn": "This environment can compute on the GPU, but without cuDNN.",
    "no_driver": "There is no NVIDIA driver here.",
    "no_gpu": "The driver works, and shows no GPU to this server.",
    "simulated": SIMULATED_MESSAGE,
    "version_mismatch": "The driver's library and kernel module have different versions.",
    "lost": "The GPU is lost, or this container has lost access to it.",
    "hanging": "The GPU does not respond.",
    "interrupted": "The GPUs cannot be read at the moment.",
    "failed": "NVML fails.",
    "no_python": "This is not a Python kernel, or its command does not name a Python.",
    "python_missing": "This kernel's Python is missing.",
    "python_broken": "This kernel's Python does not work.",
    "probe_timeout": "This kernel's environment did not respond in time.",
    "torch_missing": "PyTorch is not installed in this environment.",
    "torch_broken": "PyTorch is installed and cannot be loaded.",
    "torch_cpu_only": "This PyTorch was built without CUDA.",
    "driver_too_old": "CUDA {cuda} needs driver {needed} or later; this is {driver}.",
    "arch_missing": "This PyTorch has no code for a GPU of compute capability {capability}.",
    "cuda_unavailable": "PyTorch finds no GPU, though the driver shows one.",
    "cudnn_mismatch": "PyTorch was built with cuDNN {built} and cannot use cuDNN {loaded}.",
    "ptx_only": (
        "This PyTorch has no machine code for compute capability {capability}: the driver "
        "translates it at the first use, which is slow."
    ),
    "minor_compatibility": (
        "CUDA {cuda} came with driver {needed}; the older {driver} runs it, but not code that "
        "needs translation."
    ),
    "forward_compatibility": (
        "Driver {driver} is older than CUDA {cuda} needs ({needed}): it works through NVIDIA's "
        "forward-compatibility package."
    ),
    "cudnn_newer": "cuDNN {loaded} is newer than the {built} that PyTorch was built with.",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One finding. ``level`` is ``ok``, ``note``, ``warning`` or ``error``."""

    code: str
    level: str
    parameters: dict[str, str] = dataclasses.field(default_factory=dict)
    source: str | None = None

    @property
    def message(self) -> str:
        """The finding in English."""
        return _MESSAGES[self.code].format_map(self.parameters)


@dataclasses.dataclass(frozen=True, slots=True)
class Assessment:
    """Whether the GPUs are usable, and why."""

    usable: bool
    findings: tuple[Finding, ...]
    """The decisive one first."""

    @property
    def code(self) -> str:
        """Of the decisive finding."""
        return self.findings[0].code

    @property
    def parameters(self) -> dict[str, str]:
        """Of the decisive finding: what its message needs."""
        return self.findings[0].parameters

    def document(self) -> dict[str, object]:
        """Return ``VerdictDocument`` of the contract."""
        return {
            "usable": self.usable,
            "code": self.code,
            "parameters": self.parameters,
            "findings": [
                {**dataclasses.asdict(finding), "message": finding.message}
                for finding in self.findings
            ],
        }


def assess(reading: Reading, environment: Environment) -> Assessment:
    """Assess an environment against a reading of the GPUs.

    A broken GPU comes first, because it stops every environment; then what stops this environment;
    then what is worth knowing when all works.
    """
    errors = tuple(_errors(reading, environment))
    if errors:
        return Assessment(False, errors)
    code = "usable" if environment.cudnn else "usable_without_cudnn"
    level = "ok" if environment.cudnn else "warning"
    return Assessment(True, (Finding(code, level), *_notes(reading, environment)))


def _errors(reading: Reading, environment: Environment) -> Iterator[Finding]:
    """Yield what stops the environment, the decisive finding first."""
    if reading.state is not State.OK:
        yield Finding(reading.state.value, "error", _only(detail=reading.detail))
        return
    if any(gpu.simulated for gpu in reading.gpus):
        # What PyTorch and CUDA would need is of no interest where nothing can compute.
        yield Finding("simulated", "note")
        return
    if environment.problem is not None:
        yield Finding(environment.problem.value, "error", _only(detail=environment.detail))
        return
    if environment.torch_cuda is None:
        yield Finding("torch_cpu_only", "error", _only(torch=environment.torch))
        return
    too_old = _older_driver(reading, environment, table.min_driver)
    if too_old is not None and not environment.cuda_available:
        yield dataclasses.replace(too_old, code="driver_too_old", level="error")
        return
    for capability in capabilities(reading):
        if environment.archs and table.code_for(capability, environment.archs) is None:
            yield Finding(
                "arch_missing",
                "error",
                {"capability": capability, "archs": " ".join(environment.archs)},
                table.BINARIES,
            )
    built, loaded = environment.cudnn_built, environment.cudnn
    if built and loaded and not table.cudnn_compatible(built, loaded):
        yield Finding("cudnn_mismatch", "error", {"built": built, "loaded": loaded}, table.CUDNN)
    if not environment.cuda_available:
        yield Finding("cuda_unavailable", "error", {"cuda": environment.torch_cuda})


def _notes(reading: Reading, environment: Environment) -> Iterator[Finding]:
    """Yield what is worth knowing about an environment that works."""
    too_old = _older_driver(reading, environment, table.min_driver)
    behind = _older_driver(reading, environment, table.matching_driver)
    if too_old is not None:
        yield dataclasses.replace(too_old, code="forward_compatibility", source=table.FORWARD)
    elif behind is not None:
        yield dataclasses.replace(behind, code="minor_compatibility")
    for capability in capabilities(reading):
        if environment.archs and table.code_for(capability, environment.archs) == "ptx":
            yield Finding("ptx_only", "warning", {"capability": capability}, table.BINARIES)
    built, loaded = environment.cudnn_built, environment.cudnn
    if built and loaded and table.parse(loaded)[:2] > table.parse(built)[:2]:
        yield Finding("cudnn_newer", "note", {"built": built, "loaded": loaded}, table.CUDNN)


def _older_driver(reading: Reading, environment: Environment, rule_for: object) -> Finding | None:
    """Return a finding without a code when the driver is older than a rule of the table."""
    cuda = environment.torch_cuda
    assert callable(rule_for)
    rule = rule_for(cuda) if cuda else None
    if rule is None or not reading.driver or table.parse(reading.driver) >= rule.driver:
        return None
    parameters = {
        "driver": reading.driver,
        "cuda": str(cuda),
        "needed": table.dotted(rule.driver),
    }
    return Finding("", "note", parameters, rule.source)


def capabilities(reading: Reading) -> list[str]:
    """Return the compute capabilities of the GPUs, each once."""
    return sorted({gpu.compute_capability for gpu in reading.gpus if gpu.compute_capability})


def _only(**values: str | None) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}
