"""The program of a check: measures one GPU with torch, and prints a line of JSON for each step.

The server passes this file's text to a kernel environment's own Python, in a process that sees only
this GPU. So it uses only torch and what every Python since 3.6 has, and nothing of this package.
The server itself never imports it.
"""

import json
import sys
from typing import Any

MARK = "gpudock-check:"
MIB = 1024 * 1024
BUDGET_MS = 300.0
"""How long each variant is measured, after a warm-up."""
MAX_REPEATS = 200
COPY_MIB = 128
MATRIX = 4096


class Skip(Exception):  # noqa: N818  a step that does not apply is not an error
    """The step does not apply to this GPU: the reason as a code and as a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def send(**document: Any) -> None:
    """Send the server a message."""
    sys.stdout.write("\n" + MARK + json.dumps(document) + "\n")
    sys.stdout.flush()


def timed_ms(torch: Any, work: Any) -> float:
    """Return the GPU time of one round of the work, averaged over many, in milliseconds."""

    def rounds(count: int) -> float:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(count):
            work()
        end.record()
        torch.cuda.synchronize()
        return float(begin.elapsed_time(end)) / count

    rounds(2)  # warm-up: choosing an algorithm and loading code happen once
    once = max(rounds(1), 1e-3)
    return rounds(int(min(max(BUDGET_MS / once, 1), MAX_REPEATS)))


def compare(fast_ms: float, slow_ms: float, **values: float) -> "dict[str, Any]":
    """Return the result of a step: how many times faster the first variant is."""
    rounded = {name: round(value, 3) for name, value in values.items()}
    return {"ratio": round(slow_ms / fast_ms, 2), "values": rounded}


def set_tf32(torch: Any, on: bool) -> None:
    """Set whether float32 is computed as TF32, in the API of this torch version."""
    if hasattr(torch.backends.cuda.matmul, "fp32_precision"):
        precision = "tf32" if on else "ieee"
        torch.backends.cuda.matmul.fp32_precision = precision
        torch.backends.cudnn.conv.fp32_precision = precision
    else:
        torch.backends.cuda.matmul.allow_tf32 = on
        torch.backends.cudnn.allow_tf32 = on


def step_cudnn(torch: Any) -> "dict[str, Any]":
    """Measure a convolution with cuDNN and with torch's own code."""
    if not torch.backends.cudnn.is_available():
        raise Skip("no_cudnn", "This torch has no cuDNN.")
    images = torch.randn(16, 64, 56, 56, device="cuda")
    weights = torch.randn(64, 64, 3, 3, device="cuda")

    def convolve() -> None:
        torch.nn.functional.conv2d(images, weights, padding=1)

    set_tf32(torch, False)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.enabled = True
    on_ms = timed_ms(torch, convolve)
    torch.backends.cudnn.enabled = False
    try:
        off_ms = timed_ms(torch, convolve)
    finally:
        torch.backends.cudnn.enabled = True
    return compare(on_ms, off_ms, on_ms=on_ms, off_ms=off_ms)


def mixed(torch: Any, kind: Any, name: str) -> "dict[str, Any]":
    """Measure a matrix product under autocast and in float32."""
    left, right = (torch.randn(MATRIX, MATRIX, device="cuda") for _ in range(2))
    set_tf32(torch, False)
    full_ms = timed_ms(torch, lambda: torch.matmul(left, right))
    with torch.autocast(device_type="cuda", dtype=kind):
        mixed_ms = timed_ms(torch, lambda: torch.matmul(left, right))
    return compare(mixed_ms, full_ms, **{name + "_ms": mixed_ms, "float32_ms": full_ms})


def step_fp16(torch: Any) -> "dict[str, Any]":
    """Measure mixed precision with float16."""
    return mixed(torch, torch.float16, "fp16")


def step_bf16(torch: Any) -> "dict[str, Any]":
    """Measure mixed precision with bfloat16."""
    if not torch.cuda.is_bf16_supported():
        raise Skip("no_bf16", "This GPU does not compute in bfloat16.")
    return mixed(torch, torch.bfloat16, "bf16")


def step_tf32(torch: Any) -> "dict[str, Any]":
    """Measure a float32 matrix product with and without TF32."""
    if torch.cuda.get_device_capability()[0] < 8:
        raise Skip("no_tf32", "TF32 came with compute capability 8.0.")
    left, right = (torch.randn(MATRIX, MATRIX, device="cuda") for _ in range(2))
    set_tf32(torch, False)
    off_ms = timed_ms(torch, lambda: torch.matmul(left, right))
    set_tf32(torch, True)
    try:
        on_ms = timed_ms(torch, lambda: torch.matmul(left, right))
    finally:
        set_tf32(torch, False)
    return compare(on_ms, off_ms, tf32_ms=on_ms, float32_ms=off_ms)


def step_bandwidth(torch: Any) -> "dict[str, Any]":
    """Measure copies between host and GPU, from pinned and from pageable memory."""
    pageable = torch.empty(COPY_MIB * MIB, dtype=torch.uint8)
    pinned = torch.empty(COPY_MIB * MIB, dtype=torch.uint8, pin_memory=True)
    there = torch.empty(COPY_MIB * MIB, dtype=torch.uint8, device="cuda")
    gigabytes = COPY_MIB * MIB / 1e9
    speeds = {}
    for name, here in (("pinned", pinned), ("pageable", pageable)):
        up_ms = timed_ms(torch, lambda here=here: there.copy_(here, non_blocking=True))
        down_ms = timed_ms(torch, lambda here=here: here.copy_(there, non_blocking=True))
        speeds["to_gpu_" + name + "_gb_s"] = gigabytes / (up_ms / 1000)
        speeds["from_gpu_" + name + "_gb_s"] = gigabytes / (down_ms / 1000)
    ratio = speeds["to_gpu_pinned_gb_s"] / speeds["to_gpu_pageable_gb_s"]
    return {"ratio": round(ratio, 2), "values": {k: round(v, 2) for k, v in speeds.items()}}


STEPS = (
    ("cudnn", step_cudnn),
    ("fp16", step_fp16),
    ("bf16", step_bf16),
    ("tf32", step_tf32),
    ("bandwidth", step_bandwidth),
)


def main(needed_mib: int) -> None:
    """Run all steps; one that fails does not keep the others from running."""
    try:
        import torch
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "torch"
        send(failed="torch_missing" if missing else "torch_broken", detail=str(error))
        return
    except Exception as error:  # noqa: BLE001  any error is the result
        send(failed="torch_broken", detail=f"{type(error).__name__}: {error}")
        return
    if not torch.cuda.is_available():
        send(failed="cuda_unavailable", detail="torch.cuda.is_available() is False")
        return
    free_mib = torch.cuda.mem_get_info()[0] // MIB
    if free_mib < needed_mib:
        send(failed="memory_short", detail=str(free_mib))
        return
    for name, step in STEPS:
        send(step=name, state="running")
        try:
            found = step(torch)
        except Skip as skip:
            send(step=name, state="skipped", code=skip.code, detail=str(skip))
        except Exception as error:  # noqa: BLE001  any error is the result of this step
            detail = f"{type(error).__name__}: {error}"
            send(step=name, state="failed", code="error", detail=detail)
        else:
            send(step=name, state="done", **found)
        torch.cuda.empty_cache()
    send(done=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
