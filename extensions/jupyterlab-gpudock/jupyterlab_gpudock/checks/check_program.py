"""The check itself: measures one GPU with torch, and prints a line of JSON for each step.

The server passes this file's text to a kernel environment's own Python, in a process of its own
that sees only the GPU in question. So it uses torch, what every Python since 3.6 has, and nothing
of this package. The server itself never imports it.
"""

import json
import sys
from typing import Any

MARK = "gpudock-check:"
MIB = 1024 * 1024
BUDGET_MS = 300.0
"""How long each variant is measured, after it has been warmed up."""
MOST_REPEATS = 200
COPY_MIB = 128
MATRIX = 4096


class Skip(Exception):  # noqa: N818  a measurement that makes no sense here is not an error
    """The step makes no sense on this GPU.

    :param code: why
    :param words: the same as a sentence
    """

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


def say(**document: Any) -> None:
    """Tell the server one thing."""
    sys.stdout.write("\n" + MARK + json.dumps(document) + "\n")
    sys.stdout.flush()


def timed_ms(torch: Any, work: Any) -> float:
    """Milliseconds of GPU time for one round of the work, averaged over many."""

    def rounds(count: int) -> float:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(count):
            work()
        end.record()
        torch.cuda.synchronize()
        return float(begin.elapsed_time(end)) / count

    rounds(2)  # choosing an algorithm and loading code happen once
    once = max(rounds(1), 1e-3)
    return rounds(int(min(max(BUDGET_MS / once, 1), MOST_REPEATS)))


def compare(fast_ms: float, slow_ms: float, **values: float) -> "dict[str, Any]":
    """What a step found: how many times faster the first one is."""
    rounded = {name: round(value, 3) for name, value in values.items()}
    return {"ratio": round(slow_ms / fast_ms, 2), "values": rounded}


def set_tf32(torch: Any, on: bool) -> None:
    """Let float32 be computed as TF32, or not: each torch in its own words."""
    if hasattr(torch.backends.cuda.matmul, "fp32_precision"):
        word = "tf32" if on else "ieee"
        torch.backends.cuda.matmul.fp32_precision = word
        torch.backends.cudnn.conv.fp32_precision = word
    else:
        torch.backends.cuda.matmul.allow_tf32 = on
        torch.backends.cudnn.allow_tf32 = on


def step_cudnn(torch: Any) -> "dict[str, Any]":
    """A convolution with cuDNN, and with torch's own code instead."""
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
    """A matrix product under autocast, and in float32."""
    left, right = (torch.randn(MATRIX, MATRIX, device="cuda") for _ in range(2))
    set_tf32(torch, False)
    full_ms = timed_ms(torch, lambda: torch.matmul(left, right))
    with torch.autocast(device_type="cuda", dtype=kind):
        mixed_ms = timed_ms(torch, lambda: torch.matmul(left, right))
    return compare(mixed_ms, full_ms, **{name + "_ms": mixed_ms, "float32_ms": full_ms})


def step_fp16(torch: Any) -> "dict[str, Any]":
    """Mixed precision with float16."""
    return mixed(torch, torch.float16, "fp16")


def step_bf16(torch: Any) -> "dict[str, Any]":
    """Mixed precision with bfloat16."""
    if not torch.cuda.is_bf16_supported():
        raise Skip("no_bf16", "This GPU does not compute in bfloat16.")
    return mixed(torch, torch.bfloat16, "bf16")


def step_tf32(torch: Any) -> "dict[str, Any]":
    """A float32 matrix product with TF32 allowed, and without."""
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
    """Copies between host and GPU, from memory that is pinned and from memory that is not."""
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
    """Run all steps, each on its own: one that fails keeps no other from being measured."""
    try:
        import torch
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "torch"
        say(failed="torch_missing" if missing else "torch_broken", detail=str(error))
        return
    except Exception as error:  # noqa: BLE001  whatever it is, it is the answer
        say(failed="torch_broken", detail=f"{type(error).__name__}: {error}")
        return
    if not torch.cuda.is_available():
        say(failed="cuda_unavailable", detail="torch.cuda.is_available() is False")
        return
    free_mib = torch.cuda.mem_get_info()[0] // MIB
    if free_mib < needed_mib:
        say(failed="memory_short", detail=str(free_mib))
        return
    for name, step in STEPS:
        say(step=name, state="running")
        try:
            found = step(torch)
        except Skip as why:
            say(step=name, state="skipped", code=why.code, detail=str(why))
        except Exception as error:  # noqa: BLE001  whatever it is, it is this step's outcome
            words = f"{type(error).__name__}: {error}"
            say(step=name, state="failed", code="error", detail=words)
        else:
            say(step=name, state="done", **found)
        torch.cuda.empty_cache()
    say(done=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
