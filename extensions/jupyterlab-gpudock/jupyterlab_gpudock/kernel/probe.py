"""Reads the versions of the Python environment that runs it, and prints them as a line of JSON.

The server passes this file's text to a kernel environment's own Python, so it uses only what every
Python since 3.6 has, and nothing of this package. The server itself never imports it.
"""

import ctypes
import json
import os
import re
import site
import subprocess
import sys
from pathlib import Path
from typing import Any

MARK = "gpudock-probe:"


def send(found: "dict[str, Any]", stage: str) -> None:
    """Print what is known; a later line replaces it, and a crash leaves it as the last word."""
    sys.stdout.write("\n" + MARK + json.dumps(dict(found, stage=stage)) + "\n")
    sys.stdout.flush()


def probe(compute: bool) -> "dict[str, Any]":
    """Return the versions that matter for computing on a GPU, or why torch fails.

    Args:
        compute: whether to look for nvcc, and to compute on each GPU.
    """
    found: dict[str, Any] = {}
    found["python"] = ".".join(str(part) for part in sys.version_info[:3])
    found["visible_devices"] = os.environ.get("CUDA_VISIBLE_DEVICES")
    found.update(optional(torch_places) or {})
    if compute:
        found["nvcc"] = nvcc()
    send(found, "torch")
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
    found["torch"] = optional(lambda: str(torch.__version__))
    try:
        read(torch, found)
        if compute and found["cuda_available"]:
            send(found, "compute")
            found["compute_error"] = compute_error(torch)
    except Exception as error:  # noqa: BLE001  any error is the result
        found["problem"] = "torch_broken"
        found["detail"] = f"{type(error).__name__}: {error}"
    return found


def read(torch: Any, found: "dict[str, Any]") -> None:
    """Add the versions of torch, and why it cannot use CUDA."""
    found["torch_cuda"] = torch.version.cuda
    found["cudnn_built"] = optional(lambda: dotted(torch._C._cudnn.getCompileVersion()))  # noqa: SLF001
    found["nccl"] = optional(lambda: dotted(torch.cuda.nccl.version()))
    found["archs"] = optional(lambda: archs(torch))
    found["cudnn_enabled"] = optional(lambda: bool(torch.backends.cudnn.enabled))
    found["cuda_available"] = bool(torch.cuda.is_available())
    if torch.version.cuda and not found["cuda_available"]:
        found["cuda_error"] = cuda_error(torch)
    found["cudnn"] = cudnn(torch)
    found.update(optional(lambda: cudnn_place(torch)) or {})


def torch_places() -> "dict[str, str]":
    """Return the folder of torch, and the version of another one that it hides.

    Only a torch in the user's own folder hides one: a virtual environment is chosen on purpose.
    """
    folders = [path for path in sys.path if Path(path, "torch").is_dir()]
    found = {"torch_folder": folders[0]} if folders else {}
    if len(folders) > 1 and os.path.realpath(folders[0]) == os.path.realpath(
        site.getusersitepackages()
    ):
        text = Path(folders[1], "torch", "version.py").read_text()
        version = re.search(r"__version__[^=]*= *['\"]([^'\"]+)", text)
        if version:
            found["torch_hidden"] = version.group(1)
    return found


def cuda_error(torch: Any) -> str:
    """Return why CUDA does not initialize, in torch's words; empty when it does."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        # torch's text is the same for a driver whose kernel module is missing.
        return "Found no NVIDIA driver: libcuda.so.1 cannot be loaded."
    try:
        torch.cuda.init()
    except Exception as error:  # noqa: BLE001  any error is the result
        return str(error)
    return ""


def compute_error(torch: Any) -> str:
    """Return why a small convolution fails on a GPU, in torch's words; empty when it works."""
    for index in range(torch.cuda.device_count()):
        device = f"cuda:{index}"
        try:
            images = torch.ones(1, 1, 8, 8, device=device)
            weights = torch.ones(1, 1, 3, 3, device=device)
            torch.nn.functional.conv2d(images, weights)
            torch.cuda.synchronize(index)
        except Exception as error:  # noqa: BLE001  any error is the result
            return f"{device}: {error}"
    return ""


def cudnn_place(torch: Any) -> "dict[str, str]":
    """Return the folder of the loaded cuDNN, and whether it is the one that came with torch."""
    maps = Path("/proc/self/maps").read_text(errors="replace")
    loaded = re.search(r" (/\S.*)/libcudnn\.so[.\d]*$", maps, re.MULTILINE)
    if not loaded:
        return {}
    folder = os.path.realpath(loaded.group(1))
    packages = Path(torch.__file__).parent.parent
    own = [packages / "torch" / "lib"]
    own += [Path(path, "nvidia", "cudnn", "lib") for path in (str(packages), *sys.path)]
    known = [os.path.realpath(path) for path in own if has_cudnn(path)]
    if not known or folder == known[0]:
        # A torch of a distribution or a vendor's image has no copy of its own.
        return {"cudnn_path": folder, "cudnn_origin": "own"}
    variable = os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    user = os.path.realpath(site.getusersitepackages())
    if folder in [os.path.realpath(path) for path in variable if path]:
        origin = "library_path"
    elif folder.startswith(user + os.sep):
        origin = "user_package"
    else:
        origin = "elsewhere"
    return {"cudnn_path": folder, "cudnn_origin": origin}


def has_cudnn(folder: Path) -> bool:
    """Return whether a folder has cuDNN's library."""
    try:
        return any(path.name.startswith("libcudnn.so") for path in folder.iterdir())
    except OSError:
        return False


def nvcc() -> str:
    """Return the version of nvcc; empty when there is none."""
    for command in ("nvcc", "/usr/local/cuda/bin/nvcc"):
        try:
            output = subprocess.check_output(
                [command, "--version"], stderr=subprocess.DEVNULL, timeout=10
            )
        except (OSError, subprocess.SubprocessError):
            continue
        release = re.search(r"release ([\d.]+)", output.decode("ascii", "replace"))
        return release.group(1) if release else "unknown"
    return ""


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
    send(probe("compute" in sys.argv[1:]), "done")
