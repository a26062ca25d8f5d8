"""A simulated GPU, its MIG slices, its processes, and the system that they are in."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from simulator.errors import SimulatorError
from simulator.format import Value, Wave
from simulator.models import Model, find_model

if TYPE_CHECKING:
    from collections.abc import Sequence

# Node numbers below /dev/nvidia-caps: two for MIG itself, then for each GPU 15 GPU instances, each
# with a node of its own and eight for its compute instances.
FIRST_CAPABILITY = 3
CAPABILITIES_PER_INSTANCE = 9
CAPABILITIES_PER_GPU = 15 * CAPABILITIES_PER_INSTANCE
MAX_SLICES = 7


@dataclass(frozen=True)
class Process:
    """A process on a GPU or a slice.

    ``type`` is ``compute``, ``graphics`` or ``mps``; ``used_mib`` is its GPU memory in MiB, None
    where it is not known.
    """

    pid: int
    used_mib: Value = 0
    name: str = "python3"
    type: str = "compute"


@dataclass(frozen=True)
class Slice:
    """A MIG slice: one GPU instance with one compute instance. Memory is in MiB.

    The two capabilities are the numbers of its device nodes,
    ``/dev/nvidia-caps/nvidia-cap<number>``.
    """

    profile: str
    uuid: str
    memory_total_mib: Value
    multiprocessors: Value
    gpu_instance: int
    gpu_instance_capability: int
    compute_instance_capability: int
    compute_instance: int = 0
    memory_used_mib: Value = 0
    processes: tuple[Process, ...] = ()


@dataclass(frozen=True)
class Gpu:
    """A simulated GPU. ``None`` is a reading that this GPU does not support.

    Memory is in MiB, power in W, temperatures in °C, clocks in MHz, utilization and fan in
    percent, PCIe throughput in KiB/s. ``index`` is the number of its node ``/dev/nvidia<index>``.
    ``fault`` is ``lost``, ``reset_required``, ``unknown``, ``hanging`` or None; ``mig`` is None
    where the model has no MIG, else whether it is on.
    """

    index: int
    uuid: str
    name: str
    memory_total_mib: Value
    serial: str | None = None
    board_part_number: str | None = None
    pci_bus_id: str | None = None
    vbios_version: str | None = None
    brand: str | None = "nvidia"
    architecture: str | None = None
    compute_mode: str | None = "default"
    compute_capability: Value = None
    cores: Value = None
    multiprocessors: Value = None
    memory_bus_width: Value = None
    pci_device_id: Value = None
    pci_subsystem_id: Value = None
    memory_reserved_mib: Value = 0
    memory_used_mib: Value = 0
    bar1_total_mib: Value = None
    bar1_used_mib: Value = 1
    utilization: Value = 0
    memory_utilization: Value = 0
    encoder_utilization: Value = 0
    decoder_utilization: Value = 0
    temperature: Value = 34
    temperature_memory: Value = None
    temperature_slowdown: Value = None
    temperature_shutdown: Value = None
    temperature_max: Value = None
    temperature_memory_max: Value = None
    power: Value = None
    power_limit: Value = None
    power_limit_default: Value = None
    power_limit_min: Value = None
    power_limit_max: Value = None
    fan: Value = None
    clock_graphics: Value = None
    clock_sm: Value = None
    clock_memory: Value = None
    clock_video: Value = None
    clock_graphics_max: Value = None
    clock_sm_max: Value = None
    clock_memory_max: Value = None
    clock_video_max: Value = None
    performance_state: Value = 0
    pcie_generation: Value = None
    pcie_generation_max: Value = None
    pcie_width: Value = 16
    pcie_width_max: Value = 16
    pcie_tx_kib_s: Value = 0
    pcie_rx_kib_s: Value = 0
    pcie_replays: Value = 0
    persistence: bool | None = True
    display: bool | None = None
    ecc: bool | None = None
    ecc_corrected: Value = 0
    ecc_uncorrected: Value = 0
    retired_pages: Value = None
    remapped_corrected: Value = None
    remapped_uncorrected: Value = None
    remapped_pending: bool | None = False
    remapped_failure: bool | None = False
    nvlinks: Value = None
    nvlink_peers: str | None = None
    pcie_switch: Value = None
    host_bridge: Value = None
    numa_node: Value = None
    mig: bool | None = None
    max_mig_slices: Value = 0
    throttle: tuple[str, ...] = ()
    fault: str | None = None
    processes: tuple[Process, ...] = ()
    slices: tuple[Slice, ...] = ()

    @classmethod
    def of_model(
        cls,
        model: str,
        index: int = 0,
        *,
        slices: Sequence[str] = (),
        lively: bool = False,
        **fields: Any,
    ) -> Gpu:
        """A GPU of a model, idle, with a random UUID; ``fields`` overrides any reading.

        ``slices`` are MIG profiles such as ``1g.5gb``: the GPU is then in MIG mode and has these
        slices. A ``lively`` GPU's utilization, temperature, power and clocks swing. SimulatorError
        where there is no such model or profile.
        """
        preset = find_model(model)
        gpu = cls(
            index=0,
            uuid=f"GPU-{uuid.uuid4()}",
            serial=str(random.randrange(1_300_000_000_000, 1_700_000_000_000)),
            vbios_version="92.00.45.00.03",
            power=preset.idle_w,
            clock_graphics=210,
            clock_sm=210,
            clock_memory=preset.fields["clock_memory_max"],
            clock_video=585,
            throttle=("gpu_idle",),
            **preset.fields,
        )
        if slices:
            gpu = replace(gpu, mig=True, slices=_make_slices(preset, slices))
        if lively:
            gpu = replace(gpu, **_lively(gpu, preset.idle_w, index))
        return replace(gpu.at(index), **fields)

    def at(self, index: int) -> Gpu:
        """This GPU in another place: its node, its PCI bus and its slices' nodes go with it."""
        bus = 0x07 + 8 * index
        slices = tuple(
            replace(
                piece,
                gpu_instance_capability=_capability(index, piece.gpu_instance),
                compute_instance_capability=_capability(index, piece.gpu_instance) + 1,
            )
            for piece in self.slices
        )
        return replace(
            self, index=index, pci_bus_id=f"{bus >> 8:08X}:{bus & 0xFF:02X}:00.0", slices=slices
        )


@dataclass(frozen=True)
class System:
    """What holds for all GPUs.

    ``fault`` is ``driver_not_loaded``, ``version_mismatch``, ``unknown`` or None. ``slow`` gives
    milliseconds that a call takes, by NVML function name, under ``*`` for every call. ``hang``
    names a function that does not return (``all`` for every one) for as long as the state says so.
    """

    driver_version: str = "550.163.01"
    cuda_version: Value = 12.4
    fault: str | None = None
    hang: str | None = None
    slow: dict[str, float] = field(default_factory=dict)


def _capability(index: int, instance: int) -> int:
    return FIRST_CAPABILITY + index * CAPABILITIES_PER_GPU + instance * CAPABILITIES_PER_INSTANCE


def _make_slices(preset: Model, names: Sequence[str]) -> tuple[Slice, ...]:
    made: list[Slice] = []
    for name in names:
        profile = preset.profile(name)
        taken = {piece.gpu_instance for piece in made}
        free = [instance for instance in profile.instances if instance not in taken]
        if not free or sum(int(each.split("g.")[0]) for each in names) > MAX_SLICES:
            raise SimulatorError(f"{preset.name} has no room for the slices {', '.join(names)}.")
        made.append(
            Slice(
                profile=name,
                uuid=f"MIG-{uuid.uuid4()}",
                memory_total_mib=profile.memory_mib,
                multiprocessors=profile.multiprocessors,
                gpu_instance=free[0],
                gpu_instance_capability=_capability(0, free[0]),
                compute_instance_capability=_capability(0, free[0]) + 1,
            )
        )
    return tuple(made)


def _lively(gpu: Gpu, idle_w: float, index: int) -> dict[str, Any]:
    """Waves that belong together, out of step with those of the other GPUs.

    Memory stays as it is: a GPU whose memory is in use is one that somebody uses.
    """
    limit, top = gpu.power_limit, gpu.clock_graphics_max
    assert isinstance(limit, int | float)
    assert isinstance(top, int | float)
    period = 40 + 3 * index
    phase = 11 * index

    def wave(low: float, high: float, lag_s: float = 0) -> Wave:
        return Wave(round(low), round(high), period, phase - lag_s)

    return {
        "utilization": wave(15, 93),
        "memory_utilization": wave(8, 55),
        "temperature": wave(41, 67, lag_s=5),
        "power": wave(idle_w * 1.3, limit * 0.86, lag_s=1),
        "clock_graphics": wave(top * 0.6, top),
        "clock_sm": wave(top * 0.6, top),
        "pcie_tx_kib_s": wave(900, 240_000),
        "pcie_rx_kib_s": wave(2_000, 610_000),
        "throttle": (),
    }
