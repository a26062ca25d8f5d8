"""What ``gpudock-env`` found, as a document for programs and as a table for people."""

from __future__ import annotations

import dataclasses
import enum
import textwrap
from typing import TYPE_CHECKING

from jupyterlab_gpudock.kernel import compatibility
from jupyterlab_gpudock.kernel.assessment import assess

if TYPE_CHECKING:
    from jupyterlab_gpudock.contract import LimitsDocument, UsageDocument
    from jupyterlab_gpudock.kernel.assessment import Assessment
    from jupyterlab_gpudock.kernel.container import Container
    from jupyterlab_gpudock.kernel.environment import Environment
    from jupyterlab_gpudock.nvml.readings import GPU, Reading

_WIDTH = 96
_UNKNOWN = ("no_python", "probe_timeout", "hanging", "interrupted")
_SIGNS = {"ok": "OK", "note": "NOTE", "warning": "WARNING", "error": "ERROR"}


class ExitStatus(enum.IntEnum):
    """How ``gpudock-env`` ends. 2 is argparse's, for options that are wrong."""

    USABLE = 0
    UNUSABLE = 1
    """A finding makes the GPU unusable."""
    NO_GPU_GIVEN = 3
    """This container was started without a GPU."""
    SIMULATED = 4
    """The GPU is simulated, and computes nothing."""
    UNKNOWN = 5
    """It did not respond in time, or the readings were interrupted."""


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """Everything that was read."""

    reading: Reading
    environment: Environment
    container: Container
    limits: LimitsDocument

    @property
    def assessment(self) -> Assessment:
        """Whether torch uses the GPU, and why not."""
        return assess(self.reading, self.environment, self.container)

    @property
    def exit_status(self) -> ExitStatus:
        """Of the decisive finding."""
        assessment = self.assessment
        decisive = assessment.findings[0].id
        if assessment.usable:
            return ExitStatus.USABLE
        if decisive == "no_gpu_given":
            # Also in a container without a GPU, torch may be broken.
            broken = any(finding.level == "error" for finding in assessment.findings)
            return ExitStatus.UNUSABLE if broken else ExitStatus.NO_GPU_GIVEN
        if decisive == "simulated":
            return ExitStatus.SIMULATED
        return ExitStatus.UNKNOWN if decisive in _UNKNOWN else ExitStatus.UNUSABLE

    @property
    def needed_driver(self) -> str | None:
        """The oldest driver for the CUDA of this torch; None: unknown."""
        cuda = self.environment.torch_cuda
        rule = compatibility.min_driver(cuda) if cuda else None
        return compatibility.dotted(rule.driver) if rule else None

    def code_for(self, gpu: GPU) -> str | None:
        """Return what torch has for a GPU: ``binary``, ``ptx``, ``none``, or None: unknown."""
        archs = self.environment.archs
        if not archs or not gpu.compute_capability:
            return None
        return compatibility.code_for(gpu.compute_capability, archs) or "none"

    def document(self) -> dict[str, object]:
        """Return the report as JSON-ready data; the README of the extension describes it."""
        environment, reading = self.environment, self.reading
        assessment = self.assessment
        return {
            "version": 1,
            "exit_status": int(self.exit_status),
            "usable": assessment.usable,
            "python": {"version": environment.python, "executable": environment.executable},
            "torch": {
                "version": environment.torch,
                "cuda": environment.torch_cuda,
                "archs": list(environment.archs),
                "nccl": environment.nccl,
                "folder": environment.torch_folder,
                "hidden_version": environment.torch_hidden,
                "cuda_available": environment.cuda_available,
            },
            "cudnn": {
                "version": environment.cudnn,
                "built_version": environment.cudnn_built,
                "enabled": environment.cudnn_enabled,
                "folder": environment.cudnn_path,
            },
            "driver": {
                "version": reading.driver,
                "cuda": reading.driver_cuda,
                "needed_version": self.needed_driver,
            },
            "nvcc": environment.nvcc or None,
            "gpus": [
                {
                    "index": gpu.index,
                    "uuid": gpu.uuid,
                    "name": gpu.name,
                    "mig_profile": gpu.mig_profile,
                    "compute_capability": gpu.compute_capability,
                    "torch_code": self.code_for(gpu),
                    "simulated": gpu.simulated,
                    "state": gpu.state,
                }
                for gpu in reading.gpus
            ],
            "container": dataclasses.asdict(self.container),
            "limits": self.limits,
            "findings": [
                {**finding.document(), "title": finding.title, "advice": finding.advice}
                for finding in assessment.findings
            ],
        }

    def text(self) -> str:
        """Return the report as a table for people, with the answer first."""
        environment = self.environment
        rows = [
            ("cuDNN", _cudnn(environment)),
            ("GPU is used", self._answer()),
            *_GAP,
            ("Python", _joined(environment.python, environment.executable)),
            ("torch", _joined(environment.torch, environment.torch_folder)),
            ("CUDA of torch", environment.torch_cuda or "none"),
            ("NCCL", environment.nccl or "none"),
            ("nvcc", environment.nvcc or "none"),
            ("Driver", self._driver()),
            *self._gpu_rows(),
            *_GAP,
            ("Memory", _usage(self.limits["memory_mib"], "MiB")),
            ("Shared memory", _usage(self.limits["shm_mib"], "MiB")),
            ("Processors", _number(self.limits["cpus"])),
            ("Open files", _number(self.limits["open_files"]["limit"])),
        ]
        width = max(len(name) for name, _ in rows)
        lines = [f"{name:<{width}}  {value}".rstrip() for name, value in rows]
        for finding in self.assessment.findings:
            lines += ["", *_wrapped(f"{_SIGNS[finding.level]} [{finding.id}] {finding.title}", "")]
            detail = finding.parameters.get("detail")
            for part in (detail and f"It reports: {detail}", finding.advice, finding.source):
                lines += _wrapped(part or "", "  ")
        return "\n".join(lines) + "\n"

    def _answer(self) -> str:
        match self.exit_status:
            case ExitStatus.USABLE:
                return "yes"
            case ExitStatus.UNKNOWN:
                return "unknown"
            case ExitStatus.SIMULATED:
                return "no: it is simulated"
            case _:
                return "no"

    def _driver(self) -> str:
        needed = self.needed_driver
        remark = f"CUDA {self.environment.torch_cuda} needs {needed} or newer" if needed else None
        supported = self.reading.driver_cuda
        version = self.reading.driver or "none"
        return _joined(f"{version}, up to CUDA {supported}" if supported else version, remark)

    def _gpu_rows(self) -> list[tuple[str, str]]:
        if not self.reading.gpus:
            return [("GPU", "none")]
        codes = {"binary": "machine code", "ptx": "PTX only", "none": "no code", None: "unknown"}
        return [
            (
                f"GPU {gpu.index}",
                ", ".join(
                    part
                    for part in (
                        gpu.name,
                        gpu.mig_profile,
                        "simulated" if gpu.simulated else None,
                        f"compute capability {gpu.compute_capability or 'unknown'}",
                        f"torch has {codes[self.code_for(gpu)]}"
                        if self.code_for(gpu)
                        else "torch's code for it is unknown",
                    )
                    if part
                ),
            )
            for gpu in self.reading.gpus
        ]


_GAP = (("", ""),)


def _cudnn(environment: Environment) -> str:
    if environment.cudnn is None:
        return "no"
    built = environment.cudnn_built
    remarks = [
        f"built with {built}" if built and built != environment.cudnn else None,
        "turned off" if environment.cudnn_enabled is False else None,
        environment.cudnn_path,
    ]
    return _joined(f"yes, {environment.cudnn}", ", ".join(part for part in remarks if part))


def _joined(value: str | None, remark: str | None) -> str:
    value = value or "none"
    return f"{value} ({remark})" if remark else value


def _usage(usage: UsageDocument, unit: str) -> str:
    limit = "no limit" if usage["limit"] is None else f"{usage['limit']:.0f} {unit}"
    return limit if usage["used"] is None else f"{limit}, {usage['used']:.0f} {unit} used"


def _number(value: float | None) -> str:
    return "no limit" if value is None else f"{value:g}" if value < 10_000 else f"{value:.0f}"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent or "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
