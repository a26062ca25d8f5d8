"""The stack from driver to cuDNN for one kernel of this server, and its assessment."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from jupyter_core.utils import ensure_async

from jupyterlab_gpudock.errors import RequestError
from jupyterlab_gpudock.kernel.assessment import assess, capabilities
from jupyterlab_gpudock.kernel.container import read_container
from jupyterlab_gpudock.kernel.environment import Environment, Prober, Problem
from jupyterlab_gpudock.kernel.interpreter import Interpreter, interpreter_of

if TYPE_CHECKING:
    from jupyter_client.kernelspec import KernelSpec

    from jupyterlab_gpudock.nvml.readings import Reading


class Stack:
    """Describes the stacks of kernels."""

    def __init__(self, prober: Prober, kernel_specs: Any) -> None:
        """Make it of a prober and the server's kernel specification manager."""
        self._prober = prober
        self._kernel_specs = kernel_specs

    async def environments(self, default: str, gpu_state: str) -> dict[str, object]:
        """Return the kernels of this server, and which of their environments are known.

        Args:
            default: name of the server's default kernel.
            gpu_state: the state of the GPUs, as for :meth:`Prober.probe`.
        """
        specs = await ensure_async(self._kernel_specs.get_all_specs())
        rows = []
        for name, found in sorted(specs.items()):
            spec = found["spec"]
            interpreter = interpreter_of(
                spec.get("argv") or [], spec.get("env") or {}, spec.get("language") or ""
            )
            known = interpreter is not None and await self._prober.knows(interpreter, gpu_state)
            rows.append(
                {
                    "kernel": name,
                    "display_name": spec.get("display_name") or name,
                    "language": spec.get("language") or "",
                    "executable": interpreter.path if interpreter else None,
                    "known": known,
                }
            )
        return {"default": default, "environments": rows}

    async def interpreter(self, kernel: str) -> tuple[KernelSpec, Interpreter | None]:
        """Return a kernel's specification and its Python, None when its command names none.

        Raises:
            RequestError: the server has no such kernel.
        """
        try:
            spec: KernelSpec = await ensure_async(self._kernel_specs.get_kernel_spec(kernel))
        except KeyError:
            message = "This server has no kernel of that name."
            raise RequestError(404, "no_kernel", message) from None
        return spec, interpreter_of(spec.argv, spec.env, spec.language)

    async def describe(
        self, kernel: str, reading: Reading, *, refresh: bool = False
    ) -> dict[str, object]:
        """Return versions and assessment as JSON-ready data.

        Args:
            kernel: a kernel's name, as in the server's list of kernels.
            reading: the newest reading of the GPUs.
            refresh: probe the environment again even if the last result is recent.

        Raises:
            RequestError: the server has no such kernel.
        """
        spec, interpreter = await self.interpreter(kernel)
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
            "compute_capabilities": capabilities(reading),
            "environment": dataclasses.asdict(environment),
            "verdict": assess(reading, environment, read_container()).document(),
        }
