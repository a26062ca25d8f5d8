"""Reads torch's state inside a running kernel, or releases its cached memory. Never loads torch.

The text of this file is sent to the user's kernel, where it runs in a namespace of its own. So it
uses only what every Python since 3.6 has, leaves no name behind, and never raises. The server
itself never imports it.
"""

from typing import Any

MIB = 1024 * 1024


class Result:
    """Has JSON as its ``repr``, which is what a kernel sends back."""

    def __init__(self, document: "dict[str, Any]") -> None:
        self.document = document

    def __repr__(self) -> str:
        import json

        return json.dumps(self.document)


def result(action: "str") -> "Result":
    """Return the state of torch in this process, or the result of releasing its cache."""
    import sys

    torch = sys.modules.get("torch")
    if getattr(torch, "__version__", None) is None or getattr(torch, "cuda", None) is None:
        torch = None  # not imported, or not completely
    return Result(release(torch) if action == "release" else state(torch))


class Reader:
    """Reads values; one that fails is None, and its error is kept."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def read(self, look: Any) -> Any:
        """What ``look`` finds, or None. What a torch does not have is no error."""
        try:
            return look()
        except AttributeError:
            return None
        except Exception as error:  # noqa: BLE001  nothing may reach the user's session
            self.errors.append("%s: %s" % (type(error).__name__, str(error)[:200]))  # noqa: UP031
            return None


def state(torch: Any) -> "dict[str, Any]":
    """The document ``KernelState`` of the contract."""
    reader = Reader()
    read = reader.read
    found = dict.fromkeys(
        (
            "torch",
            "cuda_initialized",
            "cudnn_available",
            "cudnn_enabled",
            "cudnn_version",
            "benchmark",
            "deterministic",
            "tf32_matmul",
            "tf32_cudnn",
            "fp32_precision_matmul",
            "fp32_precision_cudnn",
            "autocast",
            "autocast_dtype",
        )
    )
    found["torch_loaded"] = torch is not None
    found["devices"] = []
    if torch is not None:
        cudnn = read(lambda: torch.backends.cudnn)
        found["torch"] = str(torch.__version__)
        found["cuda_initialized"] = read(lambda: bool(torch.cuda.is_initialized()))
        found["cudnn_available"] = read(lambda: bool(torch._C._has_cudnn))  # noqa: SLF001
        found["cudnn_enabled"] = read(lambda: bool(cudnn.enabled))
        found["cudnn_version"] = read(lambda: version_in_use(cudnn))
        found["benchmark"] = read(lambda: bool(cudnn.benchmark))
        found["deterministic"] = read(lambda: deterministic(torch, cudnn))
        found.update(precision(torch, cudnn, read))
        found.update(autocast(torch, read))
        found["devices"] = read(lambda: memory(torch, read)) or []
    found["errors"] = reader.errors
    return found


def version_in_use(cudnn: Any) -> "str | None":
    """Return the cuDNN version if it is loaded; torch's own function would load it."""
    import sys

    number = getattr(sys.modules.get(cudnn.__name__), "__cudnn_version", None)
    if not isinstance(number, int):
        return None
    major_unit = 10000 if number >= 90000 else 1000
    return "%d.%d.%d" % (number // major_unit, number % major_unit // 100, number % 100)  # noqa: UP031


def deterministic(torch: Any, cudnn: Any) -> "bool":
    """Return whether cuDNN, or all of torch, is limited to deterministic algorithms."""
    everywhere = getattr(torch, "are_deterministic_algorithms_enabled", None)
    return bool(cudnn.deterministic) or bool(everywhere and everywhere())


def precision(torch: Any, cudnn: Any, read: Any) -> "dict[str, Any]":
    """Return whether float32 is computed as TF32: torch 2.9 has names for it, older ones a switch.

    Only one of the two is read: a torch that has both warns about the old one.
    """
    matmul = read(lambda: torch.backends.cuda.matmul)
    # "none" defers to the setting above it.
    matmul_name = read(lambda: first_set(matmul, torch.backends))
    cudnn_name = read(lambda: first_set(cudnn.conv, cudnn, torch.backends))
    return {
        "fp32_precision_matmul": matmul_name,
        "fp32_precision_cudnn": cudnn_name,
        "tf32_matmul": (
            matmul_name == "tf32" if matmul_name else read(lambda: bool(matmul.allow_tf32))
        ),
        "tf32_cudnn": cudnn_name == "tf32" if cudnn_name else read(lambda: bool(cudnn.allow_tf32)),
    }


def first_set(*places: Any) -> "str":
    """Return the first precision that is not "none", from the innermost to the outermost."""
    found = [place.fp32_precision for place in places]
    return next((str(precision) for precision in found if precision != "none"), "none")


def autocast(torch: Any, read: Any) -> "dict[str, Any]":
    """Return the state of autocast, which belongs to a thread: users work in the main one."""
    import threading

    if threading.current_thread() is not threading.main_thread():
        return {}
    on = read(lambda: bool(torch.is_autocast_enabled("cuda")))
    kind = read(lambda: torch.get_autocast_dtype("cuda"))
    if on is None:  # before torch 2.4
        on = read(lambda: bool(torch.is_autocast_enabled()))
        kind = read(lambda: torch.get_autocast_gpu_dtype())  # noqa: PLW0108  it may lack that
    return {
        "autocast": on,
        "autocast_dtype": str(kind).replace("torch.", "") if on and kind is not None else None,
    }


def memory(torch: Any, read: Any) -> "list[dict[str, Any]]":
    """Return what torch holds of each device, without a call that would initialize one."""
    if not torch.cuda.is_initialized():
        return []
    devices = []
    for index in range(torch.cuda.device_count()):
        amounts = [
            read(lambda index=index, name=name: round(getattr(torch.cuda, name)(index) / MIB, 1))
            for name in (
                "memory_allocated",
                "memory_reserved",
                "max_memory_allocated",
                "max_memory_reserved",
            )
        ]
        if None in amounts:
            continue
        properties = read(lambda index=index: torch.cuda.get_device_properties(index))
        uuid = str(getattr(properties, "uuid", "") or "")
        devices.append(
            {
                "index": index,
                "uuid": "GPU-" + uuid if uuid and "-" in uuid[:9] else uuid or None,
                "name": getattr(properties, "name", None),
                "allocated_mib": amounts[0],
                "reserved_mib": amounts[1],
                "peak_allocated_mib": amounts[2],
                "peak_reserved_mib": amounts[3],
            }
        )
    return devices


def release(torch: Any) -> "dict[str, Any]":
    """Release torch's cache and return ``ReleaseDocument`` of the contract."""
    reader = Reader()
    found: dict[str, Any] = {"done": False, "before": [], "after": [], "freed_mib": 0.0}
    if torch is None:
        found["reason"] = "torch_not_loaded"
    elif not reader.read(lambda: torch.cuda.is_initialized()):  # noqa: PLW0108  it may lack that
        found["reason"] = "failed" if reader.errors else "cuda_not_used"
    else:
        found["before"] = reader.read(lambda: memory(torch, reader.read)) or []
        found["done"] = reader.read(lambda: torch.cuda.empty_cache() or True) is True
        found["after"] = reader.read(lambda: memory(torch, reader.read)) or []
        found["reason"] = "released" if found["done"] else "failed"
        before, after = (
            sum(device["reserved_mib"] for device in found[when]) for when in ("before", "after")
        )
        found["freed_mib"] = round(max(0.0, before - after), 1)
    found["errors"] = reader.errors
    return found
