"""Comparison of the engine's CDI specification, the driver and the lab, device by device.

A specification is a file that somebody wrote at some time. After another driver, another GPU or
other MIG slices it describes a server that is not this one any more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpudock.config.remedies import GENERATE_CDI
from gpudock.doctor.finding import Finding, hint, ok, problem, unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gpudock.doctor.host import Host

ABOUT = "devices"

_SMI_GPU = re.compile(r"GPU (\d+): (.+?) \(UUID: (GPU-[^)]+)\)")
_SMI_SLICE = re.compile(r"MIG (\S+) +Device +\d+: \(UUID: (MIG-[^)]+)\)")
_REGENERATE = f'Run "{GENERATE_CDI}".'


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU or a MIG slice.

    Attributes:
        uuid: its full UUID.
        name: what people call it, for example ``GPU 0 (NVIDIA A100-SXM4-40GB)``.
        parent_uuid: for a slice, the GPU that it is cut from.
        fit: whether a container could be given it, as far as the driver reports.
    """

    uuid: str
    name: str
    parent_uuid: str | None = None
    fit: bool = True

    def __str__(self) -> str:
        return f"{self.name}, {self.uuid},"


def compare_devices(
    listed: Iterable[str] | None, driver: Sequence[Device], lab: Sequence[Device] | None = None
) -> list[Finding]:
    """Compare what the engine, the driver and the lab know, and name each difference.

    Args:
        listed: the names in the engine's CDI specification; ``None`` when containers get GPUs in
            another way, or the engine does not list them.
        driver: what the driver reports.
        lab: what is in the lab's list; ``None`` when that is not known.
    """
    reported = {device.uuid.lower(): device for device in driver}
    known = {device.uuid.lower(): device for device in lab or ()}
    names = None if listed is None else {name.lower(): name for name in listed if _is_uuid(name)}
    findings = []
    if names is not None:
        findings += [
            _not_listed(device)
            for uuid, device in reported.items()
            if device.fit and uuid not in names
        ]
        slices: dict[str, set[str]] = {}
        for device in driver:
            slices.setdefault((device.parent_uuid or "").lower(), set()).add(device.uuid.lower())
        findings += [
            _only_listed(name, sliced=uuid in slices)
            for uuid, name in names.items()
            # A specification may have a GPU beside its slices.
            if uuid not in reported and names.keys().isdisjoint(slices.get(uuid, ()))
        ]
    if lab is not None:
        findings += [
            _not_in_the_lab(device) for uuid, device in reported.items() if uuid not in known
        ]
        findings += [
            _only_in_the_lab(device) for uuid, device in known.items() if uuid not in reported
        ]
    return findings or [_all_agree(len(driver), listed=names is not None, lab=lab is not None)]


def examine_driver(listed: Iterable[str] | None, host: Host) -> list[Finding]:
    """Compare the engine with the driver alone, on a server whose lab does not run."""
    devices = driver_devices(host)
    if devices is None:
        return [unknown(ABOUT, '"nvidia-smi" does not list the GPUs, so nothing was compared.')]
    return compare_devices(listed, devices)


def driver_devices(host: Host) -> list[Device] | None:
    """Return the devices that ``nvidia-smi`` lists; ``None`` if it lists none.

    A GPU in MIG mode is none that a container could get; its slices are.
    """
    modes = host.run(["nvidia-smi", "--query-gpu=uuid,mig.mode.current", "--format=csv,noheader"])
    in_mig_mode = {
        line.split(",")[0].strip() for line in (modes or "").splitlines() if "Enabled" in line
    }
    devices: list[Device] = []
    index, parent = "", ""
    for line in (host.run(["nvidia-smi", "-L"]) or "").splitlines():
        if match := _SMI_GPU.search(line):
            index, model, parent = match.groups()
            if parent not in in_mig_mode:
                devices.append(Device(parent, f"GPU {index} ({model})"))
        elif match := _SMI_SLICE.search(line):
            profile, uuid = match.groups()
            devices.append(Device(uuid, f"The MIG slice {profile} of GPU {index}", parent))
    return devices or None


def _is_uuid(name: str) -> bool:
    return name.upper().startswith(("GPU-", "MIG-"))


def _not_listed(device: Device) -> Finding:
    return problem(
        ABOUT,
        f"{device} is reported by the driver, but is not in the engine's CDI specification, which"
        " is older than it: no container can be given it.",
        f'{_REGENERATE} If it was taken out of service, then run "gpudock gpu return --all".',
    )


def _only_listed(name: str, *, sliced: bool) -> Finding:
    if sliced:
        why = "which is cut into MIG slices now"
    else:
        what = "MIG slice" if name.upper().startswith("MIG-") else "GPU"
        why = f"but the driver does not report this {what} any more"
    return hint(
        ABOUT,
        f"The engine's CDI specification has {name}, {why}. What else it says may be out of date.",
        _REGENERATE,
    )


def _not_in_the_lab(device: Device) -> Finding:
    return problem(
        ABOUT,
        f"{device} is reported by the driver, but is not in the lab's list, so nobody is given it.",
        'The hub takes in new devices within seconds; "make logs" shows why it does not.',
    )


def _only_in_the_lab(device: Device) -> Finding:
    return hint(
        ABOUT,
        f"{device} is in the lab's list, but the driver does not report it any more.",
        f'If it was removed for good, run "gpudock gpu forget {device.uuid}".',
    )


def _all_agree(number: int, *, listed: bool, lab: bool) -> Finding:
    who = [*["the CDI specification"] * listed, "the driver", *["the lab"] * lab]
    if len(who) == 1:
        return ok(ABOUT, f"The driver reports {number} devices.")
    names = f"{', '.join(who[:-1])} and {who[-1]}"
    what = "the same device" if number == 1 else f"the same {number} devices"
    return ok(ABOUT, f"{names[0].upper()}{names[1:]} have {what}.")
