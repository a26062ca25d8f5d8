"""Fake NVML clients, named for how they behave."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from gpudock_nvml import failures
from gpudock_nvml.failures import Failure
from gpudock_nvml.values import Memory, Pending, ProcessKind, RowRemapping, Running, SliceShape

NOT_SUPPORTED = Failure(failures.NOT_SUPPORTED)


def uuid_of(number, kind="GPU"):
    """A well-formed UUID."""
    return f"{kind}-{number:08x}-0000-4000-8000-000000000000"


@dataclass
class Card:
    """A GPU or slice as NVML reports it; any value may be a Failure."""

    uuid: object
    name: object = "NVIDIA A100-SXM4-40GB"
    minor: object = NOT_SUPPORTED
    memory: object = field(default_factory=lambda: Memory(40960, 3))
    utilization: object = 7
    temperature: object = 41
    power: object = 61.5
    power_limit: object = 400.0
    compute_processes: object = ()
    graphics_processes: object = ()
    uncorrected_errors: object = 0
    row_remapping: object = field(default_factory=lambda: RowRemapping(False, False))
    page_retirement_pending: object = NOT_SUPPORTED
    mig_enabled: object = False
    slices: list = field(default_factory=list)
    slice_shape: object = NOT_SUPPORTED
    slice_instances: object = NOT_SUPPORTED
    bus_id: object = NOT_SUPPORTED
    link_peers: list = field(default_factory=list)
    meets: dict = field(default_factory=dict)


class SteadyClient:
    """Returns at once what its cards hold; a card may be a Failure."""

    pending = None

    def __init__(self, *cards):
        self.cards = list(cards)
        self.opening: Failure | None = None
        self.names: dict[int, object] = {}
        self.calls: list[str] = []
        self.is_open = False

    def open(self):
        self.calls.append("open")
        self.is_open = self.opening is None
        return self.opening

    def close(self):
        self.calls.append("close")
        self.is_open = False

    def driver_version(self):
        return "550.54.15"

    def cuda_version(self):
        return "12.4"

    def count(self):
        return len(self.cards)

    def handle(self, index):
        assert self.is_open, "a call on a library that is not open"
        return self.cards[index]

    def processes(self, card, kind):
        return {
            ProcessKind.COMPUTE: card.compute_processes,
            ProcessKind.GRAPHICS: card.graphics_processes,
        }[kind]

    def process_name(self, pid):
        self.calls.append("process_name")
        return self.names.get(pid, Failure(failures.NOT_FOUND))

    def slice_count(self, card):
        return 7

    def slice(self, card, number):
        return card.slices[number] if number < len(card.slices) else Failure(failures.NOT_FOUND)

    def link_active(self, card, number):
        self.calls.append("link_active")
        if number >= len(card.link_peers):
            return NOT_SUPPORTED
        return card.link_peers[number] is not None

    def link_peer(self, card, number):
        return card.link_peers[number]

    def common_ancestor(self, one, other):
        return one.meets.get(other.uuid, NOT_SUPPORTED)

    def __getattr__(self, name):
        def answer(card):
            self.calls.append(name)
            return getattr(card, name)

        return answer


class HangingClient(SteadyClient):
    """Hangs in opening the library until it is released."""

    def __init__(self, *cards):
        super().__init__(*cards)
        self.hanging = threading.Event()
        self.released = threading.Event()

    def open(self):
        self.pending = Pending("nvmlInit", time.monotonic())
        self.hanging.set()
        self.released.wait(30)
        self.pending = None
        return super().open()


def slice_card(number, profile="1g.5gb", *, instances=(7, 0), running=()):
    """A MIG slice, which reports little, as real ones do."""
    return Card(
        uuid_of(number, "MIG"),
        name=f"NVIDIA A100-SXM4-40GB MIG {profile}",
        memory=Memory(4864, 12),
        utilization=NOT_SUPPORTED,
        temperature=NOT_SUPPORTED,
        power=NOT_SUPPORTED,
        compute_processes=running,
        slice_shape=SliceShape(1, 1, 4864),
        slice_instances=instances,
    )


def running(pid, mib=100, instances=(None, None)):
    """A process as NVML lists it."""
    return Running(pid, NOT_SUPPORTED if mib is None else mib, *instances)
