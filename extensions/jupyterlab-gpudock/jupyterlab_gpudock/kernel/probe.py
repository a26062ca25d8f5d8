"""Reads the versions of the Python environment that runs it, and prints them as a line of JSON.

The server passes this file's text to a kernel environment's own Python, so it uses only what every
Python since 3.6 has, and nothing of this package. The server itself never imports it.
"""

import json
import sys
from typing import Any

MARK = "gpudock-probe:"


def probe() -> "dict[str, Any]":
    """Return the versions that matter for computing on a GPU, or why torch fails."""
    found: dict[str, Any] = {}
    found["python"] = ".".join(str(part) for part in sys.version_info[:3])
    try:
        import torch
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "torch"
        found["problem"] = "torch_missing" if missing else "torch_broken"
        found["detail"] = str(error)
        return found
    except Exception as error:  # noqa: BLE001  any error is the result
        found["problem"] = "torch_broken"
        found["detail"] = f"{type(error).__name__}: {error}"
        return found
    found["torch"] = str(torch.__version__)
    found["torch_cuda"] = torch.version.cuda
    found["cudnn_built"] = optional(lambda: dotted(torch._C._cudnn.getCompileVersion()))  # noqa: SLF001
    found["nccl"] = optional(lambda: dotted(torch.cuda.nccl.version()))
    found["archs"] = optional(lambda: archs(torch))
    try:
        found["cuda_available"] = bool(torch.cuda.is_available())
        found["cudnn"] = cudnn(torch)
    except Exception as error:  # noqa: BLE001  any error is the result
        found["problem"] = "torch_broken"
        found["detail"] = f"{type(error).__name__}: {error}"
    return found


def cudnn(torch: Any) -> Any:
    """Return the number or the parts of the loaded cuDNN version; None without cuDNN."""
    try:
        return torch.backends.cudnn.version()
    except Exception:  # torch rejects a cuDNN that does not match it, but can name it
        runtime = optional(lambda: list(torch._C._cudnn.getRuntimeVersion()))  # noqa: SLF001
        if not runtime:
            raise
        return runtime


def archs(torch: Any) -> "list[str]":
    """Return the architectures that torch has code for; its public function needs a GPU."""
    flags = torch._C._cuda_getArchFlags()  # noqa: SLF001
    return flags.split() if flags else []


def optional(read: Any) -> Any:
    """Return what not every torch has, or None."""
    try:
        return read()
    except Exception:  # noqa: BLE001  an older or smaller torch lacks it
        return None


def dotted(version: Any) -> "str | None":
    """Return a version from its parts, or from NCCL's number before torch 1.10 (2708 is 2.7.8)."""
    if isinstance(version, (tuple, list)):
        return ".".join(str(part) for part in version[:3])
    if isinstance(version, int) and version >= 1000:
        major_unit = 10000 if version >= 10000 else 1000
        return f"{version // major_unit}.{version % major_unit // 100}.{version % 100}"
    return None


if __name__ == "__main__":
    sys.stdout.write("\n" + MARK + json.dumps(probe()) + "\n")
