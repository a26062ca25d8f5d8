"""Can this environment compute on these GPUs, and if not, why: one table and one function.

The verdict is a code with parameters. Its words are in the front end, where they are translated.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from jupyterlab_gpudock.readings import Reading, State

if TYPE_CHECKING:
    from jupyterlab_gpudock.environment import Environment

OLDEST_DRIVER_FOR_CUDA = {
    11: (450, 80, 2),
    12: (525, 60, 13),
    13: (580,),
}
"""By CUDA major version: the oldest driver (Linux) that runs all its minor versions."""


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the GPU is usable, and why.

    ``code`` is ``usable``, ``usable_without_cudnn``, a state of the GPUs (``no_driver``,
    ``no_gpu``, ``version_mismatch``, ``lost``, ``failed``), a problem of the environment, or one of
    ``driver_too_old``, ``torch_cpu_only`` and ``cuda_unavailable``.
    """

    usable: bool
    code: str
    parameters: dict[str, str] = dataclasses.field(default_factory=dict)
    """What the words need: ``driver``, ``needed``, ``cuda``, ``detail``."""


def judge(reading: Reading, environment: Environment) -> Verdict:
    """Judge an environment against what NVML says.

    A broken GPU comes first: it stops every environment. Then what keeps this one from it.
    """
    if reading.state is not State.OK:
        return Verdict(False, reading.state, _only(detail=reading.detail))
    if environment.problem is not None:
        return Verdict(False, environment.problem, _only(detail=environment.detail))
    if environment.torch_cuda is None:
        return Verdict(False, "torch_cpu_only", _only(torch=environment.torch))
    needed = OLDEST_DRIVER_FOR_CUDA.get(_version(environment.torch_cuda)[0])
    if needed and reading.driver and _version(reading.driver) < needed:
        return Verdict(
            False,
            "driver_too_old",
            {
                "driver": reading.driver,
                "cuda": environment.torch_cuda,
                "needed": ".".join(f"{part:02d}" for part in needed),
            },
        )
    if not environment.cuda_available:
        return Verdict(False, "cuda_unavailable", {"cuda": environment.torch_cuda})
    if environment.cudnn is None:
        return Verdict(True, "usable_without_cudnn")
    return Verdict(True, "usable")


def _version(text: str) -> tuple[int, ...]:
    """Numbers of a dotted version, up to the first part that is none; (0,) when there is none."""
    numbers = []
    for part in text.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers) or (0,)


def _only(**values: str | None) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}
