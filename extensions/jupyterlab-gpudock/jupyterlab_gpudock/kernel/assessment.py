"""Whether an environment can compute on the GPUs, and why not: rules over one table.

An assessment consists of findings with parameters. Their sentences are in :mod:`.findings`. The
contract calls it a verdict.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from jupyterlab_gpudock.kernel import compatibility as table
from jupyterlab_gpudock.kernel.findings import advice_of, code_of, title_of
from jupyterlab_gpudock.nvml.readings import Reading, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyterlab_gpudock.kernel.container import Container
    from jupyterlab_gpudock.kernel.environment import Environment


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One finding. ``level`` is ``ok``, ``note``, ``warning`` or ``error``."""

    id: str
    """A row of :data:`.findings.FINDINGS`."""
    level: str
    parameters: dict[str, str] = dataclasses.field(default_factory=dict)
    source: str | None = None
    state: State | None = None
    """The state of the GPUs that it is about, which is its code in the REST interface."""

    @property
    def code(self) -> str:
        """The code that the REST interface has for it, which can be wider than the ID."""
        return code_of(self.id) if self.state is None else self.state.value

    @property
    def title(self) -> str:
        """What it means, in English."""
        return title_of(self.id, self.parameters)

    @property
    def advice(self) -> str:
        """What to do about it, in English; empty when there is nothing to do."""
        return advice_of(self.id, self.parameters)

    @property
    def message(self) -> str:
        """The finding and what to do about it, in English."""
        return f"{self.title} {self.advice}".strip()

    def document(self) -> dict[str, object]:
        """Return ``Finding`` of the contract."""
        return {
            "code": self.code,
            "id": self.id,
            "level": self.level,
            "parameters": self.parameters,
            "message": self.message,
            "source": self.source,
        }


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
            "findings": [finding.document() for finding in self.findings],
        }


def assess(
    reading: Reading, environment: Environment, container: Container | None = None
) -> Assessment:
    """Assess an environment against a reading of the GPUs.

    A broken GPU comes first, because it stops every environment; then what stops this environment;
    then what is worth knowing when all works.

    Args:
        reading: the GPUs.
        environment: the versions of a Python environment.
        container: what this container got of the host's GPUs; None: unknown.
    """
    errors = tuple(_errors(reading, environment, container))
    if errors:
        return Assessment(False, (*errors, *_replaced(environment, errors)))
    finding_id = "usable" if environment.cudnn else "usable_without_cudnn"
    level = "ok" if environment.cudnn else "warning"
    return Assessment(
        True,
        (
            Finding(finding_id, level),
            *_notes(reading, environment),
            *_replaced(environment, ()),
        ),
    )


def _errors(
    reading: Reading, environment: Environment, container: Container | None
) -> Iterator[Finding]:
    """Yield what stops the environment, the decisive finding first."""
    if reading.state is not State.OK:
        yield _of_state(reading, container)
        if reading.state in (State.NO_DRIVER, State.NO_GPU):
            yield from _of_packages(environment)
        return
    if any(gpu.simulated for gpu in reading.gpus):
        # What PyTorch and CUDA would need is of no interest where nothing can compute.
        yield Finding("simulated", "note")
        return
    packages = list(_of_packages(environment))
    if environment.problem is not None or environment.torch_cuda is None:
        yield from packages
        return
    too_old = _older_driver(reading, environment, table.min_driver)
    if too_old is not None and not environment.cuda_available:
        yield dataclasses.replace(too_old, id="driver_too_old", level="error")
        return
    yield from _of_archs(reading, environment)
    yield from packages
    if not environment.cuda_available:
        yield _of_cuda(reading, environment, container)
    elif environment.compute_error:
        yield Finding("compute_failed", "error", {"detail": environment.compute_error})


def _of_state(reading: Reading, container: Container | None) -> Finding:
    """Return why no GPU can be read, as exactly as the container shows it."""
    finding_id = reading.state.value
    parameters = _only(detail=reading.detail)
    if container is None or reading.state not in (State.NO_DRIVER, State.NO_GPU):
        return Finding(finding_id, "error", parameters)
    if container.devices:
        if reading.state is State.NO_DRIVER and "Library" in reading.detail:
            finding_id = "driver_library_missing"
    elif container.lease:
        finding_id = "gpu_not_visible"
    elif container.asks_for_gpu:
        finding_id = "gpu_not_passed"
        parameters["requested"] = container.requested or ""
    elif container.is_container or container.requested is not None:
        return Finding("no_gpu_given", "note", parameters, state=reading.state)
    return Finding(finding_id, "error", parameters, state=reading.state)


def _of_packages(environment: Environment) -> Iterator[Finding]:
    """Yield what stops an environment on any GPU."""
    if environment.problem is not None:
        parameters = _only(detail=environment.detail, signal=environment.signal)
        yield Finding(environment.problem.value, "error", parameters)
        return
    if environment.torch_cuda is None:
        if environment.torch_hidden:
            yield Finding("torch_cpu_only_user_package", "error", _hiding(environment))
        else:
            yield Finding("torch_cpu_only", "error", _only(torch=environment.torch))
        return
    built, loaded = environment.cudnn_built, environment.cudnn
    if built and loaded and not table.cudnn_compatible(built, loaded):
        yield Finding("cudnn_mismatch", "error", {"built": built, "loaded": loaded}, table.CUDNN)


def _of_archs(reading: Reading, environment: Environment) -> Iterator[Finding]:
    """Yield the GPUs that torch has no code for."""
    if not environment.archs:
        return
    for capability in capabilities(reading):
        if table.code_for(capability, environment.archs) is None:
            age = table.age_for(capability, environment.archs)
            yield Finding(
                f"gpu_too_{age}" if age else "arch_missing",
                "error",
                {"capability": capability, "archs": " ".join(environment.archs)},
                table.BINARIES,
            )


def _of_cuda(reading: Reading, environment: Environment, container: Container | None) -> Finding:
    """Return why torch finds no GPU though the driver shows one."""
    parameters = _only(cuda=environment.torch_cuda, detail=environment.cuda_error)
    visible = environment.visible_devices
    if container is not None and container.devices and not container.has_uvm:
        return Finding("uvm_missing", "error", parameters)
    if "no NVIDIA driver" in environment.cuda_error:
        return Finding("libcuda_missing", "error", parameters)
    if visible is not None and (
        visible.strip() in ("", "-1") or "No CUDA GPUs" in environment.cuda_error
    ):
        return Finding("devices_hidden", "error", {**parameters, "visible": visible})
    if reading.gpus and all("no_slices" in gpu.health for gpu in reading.gpus):
        return Finding("mig_without_slices", "error", parameters)
    return Finding("cuda_unavailable", "error", parameters)


def _notes(reading: Reading, environment: Environment) -> Iterator[Finding]:
    """Yield what is worth knowing about an environment that works."""
    too_old = _older_driver(reading, environment, table.min_driver)
    behind = _older_driver(reading, environment, table.matching_driver)
    if too_old is not None:
        yield dataclasses.replace(too_old, id="forward_compatibility", source=table.FORWARD)
    elif behind is not None:
        yield dataclasses.replace(behind, id="minor_compatibility")
    for capability in capabilities(reading):
        if environment.archs and table.code_for(capability, environment.archs) == "ptx":
            yield Finding("ptx_only", "warning", {"capability": capability}, table.BINARIES)
    built, loaded = environment.cudnn_built, environment.cudnn
    if built and loaded and table.parse(loaded)[:2] > table.parse(built)[:2]:
        yield Finding("cudnn_newer", "note", {"built": built, "loaded": loaded}, table.CUDNN)


def _replaced(environment: Environment, errors: tuple[Finding, ...]) -> Iterator[Finding]:
    """Yield packages that take the place of others, and the toolkit when it was looked for."""
    if environment.cudnn_origin in ("library_path", "user_package", "elsewhere"):
        parameters = _only(path=environment.cudnn_path)
        yield Finding(f"cudnn_{environment.cudnn_origin}", "warning", parameters)
    named = any(finding.id == "torch_cpu_only_user_package" for finding in errors)
    if environment.torch_hidden and not named:
        yield Finding("torch_user_package", "note", _hiding(environment))
    if environment.nvcc == "":
        yield Finding("nvcc_missing", "note")


def _hiding(environment: Environment) -> dict[str, str]:
    return _only(
        torch=environment.torch, folder=environment.torch_folder, hidden=environment.torch_hidden
    )


def _older_driver(reading: Reading, environment: Environment, rule_for: object) -> Finding | None:
    """Return a finding without an ID when the driver is older than a rule of the table."""
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
