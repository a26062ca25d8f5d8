"""The state file's text: sections of ``key = value`` lines, documented in README.md."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from simulator.errors import SimulatorError


@dataclass(frozen=True)
class Wave:
    """A reading that swings between two values: a sine over the wall clock."""

    low: float
    high: float
    period_s: float
    phase_s: float = 0


Value = float | Wave | None

TEXTS = frozenset(
    {
        "uuid",
        "name",
        "serial",
        "board_part_number",
        "pci_bus_id",
        "vbios_version",
        "profile",
        "nvlink_peers",
    }
)
SWITCHES = frozenset(
    {"persistence", "ecc", "display", "mig", "remapped_pending", "remapped_failure"}
)
CHOICES = {
    "brand": {
        "quadro", "tesla", "geforce", "titan", "quadro_rtx", "nvidia_rtx", "nvidia", "geforce_rtx",
    },
    "architecture": {"volta", "turing", "ampere", "ada", "hopper", "blackwell"},
    "compute_mode": {"default", "prohibited", "exclusive_process"},
    "fault": {"lost", "reset_required", "unknown", "hanging"},
}  # fmt: skip
SYSTEM_FAULTS = {"driver_not_loaded", "version_mismatch", "unknown"}
THROTTLE_REASONS = {
    "gpu_idle", "applications_clocks", "sw_power_cap", "hw_slowdown", "sync_boost", "sw_thermal",
    "hw_thermal", "hw_power_brake", "display_clock",
}  # fmt: skip
PROCESS_TYPES = {"compute", "graphics", "mps"}
MAX_TEXT_BYTES = 95  # bytes; the library's buffers hold one more
NESTED = ("processes", "slices")


def render(system: dict[str, Any], gpus: list[dict[str, Any]]) -> str:
    """The text of a state file. SimulatorError names the field that cannot be written."""
    lines = ["[system]"]
    lines += [
        f"{key} = {_system_text(key, value)}" for key, value in system.items() if key != "slow"
    ]
    for function, milliseconds in system["slow"].items():
        key = "slow" if function == "*" else f"slow.{_word(function)}"
        lines.append(f"{key} = {value_text('slow', milliseconds)}")
    for gpu in gpus:
        lines += ["", f"[gpu {gpu['index']}]", *_device_lines(gpu, skip="index")]
        for number, piece in enumerate(gpu["slices"]):
            lines += ["", f"[slice {gpu['index']}:{number}]", *_device_lines(piece)]
    return "\n".join([*lines, ""])


def parse(text: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The system's fields and each GPU's, from a text that ``render`` wrote or a person edited."""
    system: dict[str, Any] = {"slow": {}}
    gpus: list[dict[str, Any]] = []
    section: dict[str, Any] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        try:
            if line.startswith("["):
                section = _open_section(line, system, gpus)
            else:
                key, equals, value = (part.strip() for part in line.partition("="))
                if not equals:
                    raise SimulatorError('it is neither a section nor "key = value"')
                _read_line(section, system, key, value)
        except (SimulatorError, ValueError) as error:
            raise SimulatorError(
                f"Line {number} of the state file is wrong, {error}: {line}"
            ) from None
    return system, gpus


def read_field(key: str, text: str) -> Any:
    """What a text stands for in a field of a GPU or slice."""
    if key == "throttle":
        words = [word.strip() for word in text.split(",")]
        return tuple(_chosen(key, word, THROTTLE_REASONS) for word in words if word != "none")
    if text == "none":
        return None
    if key in TEXTS:
        return text
    if key in SWITCHES:
        return _chosen(key, text, {"on", "off"}) == "on"
    if key in CHOICES:
        return _chosen(key, text, CHOICES[key])
    return read_value(text)


def read_value(text: str) -> Value:
    """A number, ``none``, or ``wave LOW HIGH PERIOD [PHASE]``."""
    if text == "none":
        return None
    if text.startswith("wave"):
        numbers = [float(number) for number in text.split()[1:]]
        if len(numbers) not in (3, 4) or not numbers[2] > 0:
            raise SimulatorError(
                'a wave is written "wave LOW HIGH PERIOD [PHASE]" with a period above 0'
            )
        return Wave(*numbers)
    number = float(int(text, 16)) if text.lower().startswith("0x") else float(text)
    return int(number) if number.is_integer() else number


def value_text(key: str, value: Value) -> str:
    """The text of a number, a wave, or ``none``."""
    if value is None:
        return "none"
    if isinstance(value, Wave):
        numbers = (value.low, value.high, value.period_s, value.phase_s)
        return "wave " + " ".join(value_text(key, number) for number in numbers)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SimulatorError(f"{key} must be a number, a wave or None, not {value!r}.")
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _device_lines(record: dict[str, Any], skip: str = "") -> list[str]:
    lines = [
        f"{key} = {_field_text(key, value)}"
        for key, value in record.items()
        if key not in (skip, *NESTED) and not (key in TEXTS and value is None)
    ]
    for process in record["processes"]:
        kind = _chosen("type", process["type"], PROCESS_TYPES)
        used = value_text("used_mib", process["used_mib"])
        if isinstance(process["used_mib"], Wave):
            raise SimulatorError("A process's memory is a number or None; waves are for devices.")
        lines.append(
            f"process = {int(process['pid'])} {kind} {used} {_text('name', process['name'])}"
        )
    return lines


def _field_text(key: str, value: Any) -> str:
    if key == "throttle":
        return ", ".join(_chosen(key, word, THROTTLE_REASONS) for word in value) or "none"
    if key in SWITCHES:
        if value not in (True, False, None):
            raise SimulatorError(f"{key} must be True, False or None, not {value!r}.")
        return "none" if value is None else "on" if value else "off"
    if value is None:
        return "none"
    if key in TEXTS:
        return _text(key, value)
    return _chosen(key, value, CHOICES[key]) if key in CHOICES else value_text(key, value)


def _system_text(key: str, value: Any) -> str:
    if value is None:
        return "none"
    if key == "fault":
        return _chosen(key, value, SYSTEM_FAULTS)
    return value_text(key, value) if key == "cuda_version" else _text(key, value)


def _text(key: str, value: str) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise SimulatorError(f"{key} must be one line of printable text, not {value!r}.")
    if len(value.encode()) > MAX_TEXT_BYTES:
        raise SimulatorError(f"{key} is longer than {MAX_TEXT_BYTES} bytes: {value!r}.")
    return value.strip()


def _word(value: str) -> str:
    if not re.fullmatch(r"\w+", value):
        raise SimulatorError(f"{value!r} is not the name of an NVML function.")
    return value


def _chosen(key: str, value: Any, choices: set[str]) -> str:
    if value not in choices:
        raise SimulatorError(f"{key} must be one of {', '.join(sorted(choices))}, not {value!r}.")
    return str(value)


def _open_section(line: str, system: dict[str, Any], gpus: list[dict[str, Any]]) -> dict[str, Any]:
    if line == "[system]":
        return system
    if match := re.fullmatch(r"\[\s*gpu\s+(\d+)\s*\]", line):
        gpus.append({"index": int(match[1]), "processes": [], "slices": []})
        return gpus[-1]
    if match := re.fullmatch(r"\[\s*slice\s+(\d+):(\d+)\s*\]", line):
        for gpu in gpus:
            if gpu["index"] == int(match[1]):
                section: dict[str, Any] = {"processes": []}
                gpu["slices"].append(section)
                return section
    raise SimulatorError("a section is [system], [gpu N] or, after its GPU, [slice N:M]")


def _read_line(section: dict[str, Any], system: dict[str, Any], key: str, value: str) -> None:
    if section is system:
        if key == "slow" or key.startswith("slow."):
            system["slow"]["*" if key == "slow" else key.removeprefix("slow.")] = float(value)
        else:
            numeric = key == "cuda_version"
            system[key] = read_value(value) if numeric else None if value == "none" else value
    elif not section:
        raise SimulatorError("it stands before the first section")
    elif key == "process":
        pid, kind, used, name = value.split(None, 3)
        section["processes"].append(
            {"pid": int(pid), "type": kind, "used_mib": read_value(used), "name": name}
        )
    else:
        section[key] = read_field(key, value)
