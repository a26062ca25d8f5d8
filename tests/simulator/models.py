"""Models that simulated GPUs come in, with the readings that such a GPU gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simulator.errors import SimulatorError


@dataclass(frozen=True)
class Profile:
    """A MIG profile: memory in MiB, multiprocessors, the GPU instance ids that its slices get."""

    memory_mib: int
    multiprocessors: int
    instances: tuple[int, ...]


@dataclass(frozen=True)
class Model:
    """What all GPUs of a model share: fixed fields, idle power in W, MIG profiles."""

    fields: dict[str, Any]
    idle_w: float
    profiles: dict[str, Profile]

    @property
    def name(self) -> str:
        """The name that NVML gives to GPUs of this model."""
        return str(self.fields["name"])

    def profile(self, name: str) -> Profile:
        """The MIG profile of this name, or SimulatorError."""
        if name not in self.profiles:
            known = ", ".join(self.profiles) or "none"
            raise SimulatorError(f"{self.name} has no MIG profile {name!r}; it has {known}.")
        return self.profiles[name]


def _profiles(
    unit: int, memory_mib: tuple[int, ...], multiprocessors: tuple[int, ...]
) -> dict[str, Profile]:
    """The five usual profiles of a GPU whose smallest slice has ``unit`` GB."""
    names = (
        f"1g.{unit}gb",
        f"2g.{2 * unit}gb",
        f"3g.{4 * unit}gb",
        f"4g.{4 * unit}gb",
        f"7g.{8 * unit}gb",
    )
    instances = ((7, 8, 9, 10, 11, 12, 13), (3, 4, 5), (1, 2), (1,), (0,))
    shapes = zip(memory_mib, multiprocessors, instances, strict=True)
    return {name: Profile(*shape) for name, shape in zip(names, shapes, strict=True)}


def _datacenter(**more: Any) -> dict[str, Any]:
    return {
        "brand": "nvidia", "ecc": True, "temperature_slowdown": 89, "temperature_shutdown": 92,
        "temperature_max": 85, "temperature_memory_max": 95, "remapped_corrected": 0,
        "remapped_uncorrected": 0,
    } | more  # fmt: skip


def _workstation(**more: Any) -> dict[str, Any]:
    return {
        "display": False, "fan": 30, "temperature_slowdown": 95, "temperature_shutdown": 98,
        "temperature_max": 93, "ecc": False,
    } | more  # fmt: skip


def _silicon(
    architecture: str, capability: float, cores: int, multiprocessors: int, bus: int
) -> dict[str, Any]:
    return {
        "architecture": architecture, "compute_capability": capability, "cores": cores,
        "multiprocessors": multiprocessors, "memory_bus_width": bus,
    }  # fmt: skip


def _power(limit: float, lowest: float, highest: float) -> dict[str, Any]:
    return {
        "power_limit": limit, "power_limit_default": limit, "power_limit_min": lowest,
        "power_limit_max": highest,
    }  # fmt: skip


def _clocks(graphics: int, memory: int, video: int) -> dict[str, Any]:
    return {
        "clock_graphics_max": graphics, "clock_sm_max": graphics, "clock_memory_max": memory,
        "clock_video_max": video,
    }  # fmt: skip


def _bus(device_id: int, generation: int, bar1_mib: int) -> dict[str, Any]:
    return {
        "pci_device_id": device_id, "pci_subsystem_id": 0x000010DE, "pcie_generation": generation,
        "pcie_generation_max": generation, "bar1_total_mib": bar1_mib,
    }  # fmt: skip


_GA100 = _silicon("ampere", 8.0, 6912, 108, 5120)

MODELS: dict[str, Model] = {
    "A100-SXM4-40GB": Model(
        {"name": "NVIDIA A100-SXM4-40GB", "memory_total_mib": 40960, "memory_reserved_mib": 492,
         "nvlinks": 12, "mig": False, "max_mig_slices": 7, "temperature_memory": 32}
        | _datacenter() | _GA100 | _power(400, 100, 400) | _clocks(1410, 1215, 1290)
        | _bus(0x20B010DE, 4, 65536),
        idle_w=52,
        profiles=_profiles(5, (4864, 9856, 19968, 19968, 40192), (14, 28, 42, 56, 98)),
    ),
    "A100-SXM4-80GB": Model(
        {"name": "NVIDIA A100-SXM4-80GB", "memory_total_mib": 81920, "memory_reserved_mib": 637,
         "nvlinks": 12, "mig": False, "max_mig_slices": 7, "temperature_memory": 36}
        | _datacenter() | _GA100 | _power(400, 100, 400) | _clocks(1410, 1593, 1290)
        | _bus(0x20B210DE, 4, 131072),
        idle_w=61,
        profiles=_profiles(10, (9728, 19968, 40192, 40192, 81050), (14, 28, 42, 56, 98)),
    ),
    "H100 80GB HBM3": Model(
        {"name": "NVIDIA H100 80GB HBM3", "memory_total_mib": 81559, "memory_reserved_mib": 554,
         "nvlinks": 18, "mig": False, "max_mig_slices": 7, "temperature_memory": 38}
        | _datacenter() | _silicon("hopper", 9.0, 16896, 132, 5120) | _power(700, 200, 700)
        | _clocks(1980, 2619, 1545) | _bus(0x233010DE, 5, 131072),
        idle_w=69,
        profiles=_profiles(10, (9984, 20096, 40448, 40448, 80896), (16, 32, 60, 64, 132)),
    ),
    "RTX 4090": Model(
        {"name": "NVIDIA GeForce RTX 4090", "memory_total_mib": 24564, "memory_reserved_mib": 365}
        | _workstation(brand="geforce") | _silicon("ada", 8.9, 16384, 128, 384)
        | _power(450, 150, 600) | _clocks(3105, 10501, 2415) | _bus(0x268410DE, 4, 32768),
        idle_w=21,
        profiles={},
    ),
    "RTX A6000": Model(
        {"name": "NVIDIA RTX A6000", "memory_total_mib": 49140, "memory_reserved_mib": 458,
         "nvlinks": 4}
        | _workstation(brand="nvidia_rtx") | _silicon("ampere", 8.6, 10752, 84, 384)
        | _power(300, 100, 300) | _clocks(2100, 8001, 1950) | _bus(0x223010DE, 4, 256),
        idle_w=24,
        profiles={},
    ),
    "L4": Model(
        {"name": "NVIDIA L4", "memory_total_mib": 23034, "memory_reserved_mib": 431}
        | _datacenter(temperature_memory_max=None) | _silicon("ada", 8.9, 7424, 58, 192)
        | _power(72, 40, 72) | _clocks(2040, 6251, 1770) | _bus(0x27B810DE, 4, 32768),
        idle_w=16,
        profiles={},
    ),
    "Tesla T4": Model(
        {"name": "Tesla T4", "memory_total_mib": 15360, "memory_reserved_mib": 429}
        | _datacenter(temperature_memory_max=None, remapped_corrected=None,
                      remapped_uncorrected=None, retired_pages=0)
        | _silicon("turing", 7.5, 2560, 40, 256) | _power(70, 60, 70) | _clocks(1590, 5001, 1470)
        | _bus(0x1EB810DE, 3, 256),
        idle_w=10,
        profiles={},
    ),
}  # fmt: skip
_SHORT_NAMES = {"A100": "A100-SXM4-40GB", "H100": "H100 80GB HBM3", "T4": "Tesla T4"}


def find_model(name: str) -> Model:
    """The model of a name as NVML says it, or shorter; SimulatorError where there is none."""
    short = name.removeprefix("NVIDIA ").removeprefix("GeForce ")
    try:
        return MODELS[_SHORT_NAMES.get(short, short)]
    except KeyError:
        known = ", ".join(MODELS)
        raise SimulatorError(
            f"There is no simulated GPU of model {name!r}; there are {known}."
        ) from None
