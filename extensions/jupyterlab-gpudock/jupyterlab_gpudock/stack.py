"""The stack from driver to cuDNN, for one kernel of this server, with the verdict on it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from jupyter_core.utils import ensure_async

from jupyterlab_gpudock.environment import Environment, Prober, Problem, interpreter_of
from jupyterlab_gpudock.verdict import judge

if TYPE_CHECKING:
    from jupyter_client.kernelspec import KernelSpec

    from jupyterlab_gpudock.readings import Reading


class Stack:
    """Describes the stack of a kernel.

    :param prober: asks the kernel's environment
    :param kernel_specs: the server's kernel specification manager
    """

    def __init__(self, prober: Prober, kernel_specs: Any) -> None:
        self._prober = prober
        self._kernel_specs = kernel_specs

    async def describe(
        self, kernel: str, reading: Reading, *, refresh: bool = False
    ) -> dict[str, object]:
        """Versions and verdict as JSON-ready data.

        :param kernel: a kernel's name, as in the server's list of kernels
        :param reading: what NVML says
        :param refresh: ask the environment again even if the last answer is recent
        :raises KeyError: when the server has no such kernel
        """
        spec: KernelSpec = await ensure_async(self._kernel_specs.get_kernel_spec(kernel))
        interpreter = interpreter_of(spec.argv, spec.env, spec.language)
        if interpreter is None:
            environment = Environment(problem=Problem.NO_PYTHON, detail=spec.display_name)
        else:
            environment = await self._prober.probe(
                interpreter, gpu_state=reading.state, refresh=refresh
            )
        return {
            "kernel": kernel,
            "kernel_display_name": spec.display_name,
            "driver": reading.driver,
            "driver_cuda": reading.driver_cuda,
            "environment": dataclasses.asdict(environment),
            "verdict": dataclasses.asdict(judge(reading, environment)),
        }
