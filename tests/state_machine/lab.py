"""A lab around one broker, whose parts a test can reach and change."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from doubles.clock import HandClock
from doubles.inventory import SettableInventory, gpu
from gpudock.broker import Broker, BrokerConfig, DeskBroker
from gpudock.model import (
    ContainerState,
    ForeignUse,
    GPUReading,
    GPUState,
    InventoryReading,
    Lease,
    LeaseState,
    Observation,
    ObservedContainer,
    Quota,
    Request,
)
from gpudock.policy.scheduling.ordering import FirstCome
from state_machine.hub import FlakyStore, migrated_database

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpudock.model import GPU

LAB = (gpu(0), gpu(1))

B = TypeVar("B", Broker, DeskBroker)


class BrokerLab:
    """A lab around one broker: database, devices and clock are the test's."""

    def __init__(self, url: str, gpus: Sequence[GPU] = LAB, **options: object) -> None:
        self.url = url
        self.clock = HandClock()
        self.inventory = SettableInventory(gpus)
        self.options = options
        self.store = FlakyStore(url, self.clock, durable=False)
        file = Path(url.removeprefix("sqlite:///"))
        if url.startswith("sqlite:") and not file.exists():
            shutil.copy(migrated_database(), file)
        else:
            self.store.migrate()
        self.broker = self.new_broker()

    def new_broker(self, **options: object) -> Broker:
        """Return the broker of another hub process on the same database."""
        return self._connect(Broker, options)

    def desk_broker(self, **options: object) -> DeskBroker:
        """Return the broker of a desk on the same database."""
        return self._connect(DeskBroker, options)

    def _connect(self, kind: type[B], options: dict[str, object]) -> B:
        values = {
            "default_quota": Quota(max_gpus=2),
            # Fair share has tests of its own.
            "ordering": FirstCome(),
            "clock": self.clock,
            **self.options,
            **options,
        }
        clocks = {name: values.pop(name) for name in ("clock", "ticks") if name in values}
        return kind(self.store, self.inventory, BrokerConfig(**values), **clocks)

    def look(self, *containers: ObservedContainer, **foreign: dict[str, str]) -> list:
        """Look at the engine; *foreign*: device UUID to the name of a container that has it."""
        self.clock.advance(1)
        # A real engine has a clock that cannot be set.
        ticks = self.options.get("ticks", self.clock)
        use = {uuid: foreign_use(name) for uuid, name in foreign.get("foreign", {}).items()}
        observation = Observation(ticks(), containers, use)
        self.clock.advance(1)
        return self.broker.reconcile(observation)

    def read(self, *items: GPUReading, **rest: object) -> None:
        self.inventory.current = InventoryReading(self.clock(), items, **rest)
        self.broker.tick()

    def grant(self, user: str = "ada", server: str = "", **options: object) -> Lease:
        lease = self.broker.requests.submit(ask(user, server, **options))
        assert isinstance(lease, Lease)
        return lease

    def activate(self, lease: Lease, container_id: str = "c1") -> ObservedContainer:
        self.broker.leases.begin_container(lease.id)
        self.broker.leases.bind(lease.id, container_id)
        self.broker.leases.finish_container(lease.id)
        return container(lease, container_id)

    def activate_again(self, lease: Lease) -> ObservedContainer:
        """Return the container of a lease that is active already."""
        found = self.broker.leases.get(lease.id)
        assert found is not None
        assert found.container_id is not None
        return container(found, found.container_id)

    def state(self, lease: Lease) -> LeaseState:
        found = self.broker.leases.get(lease.id)
        assert found is not None
        return found.state

    def gpu_states(self) -> dict[str, GPUState]:
        return {status.gpu.uuid: status.state for status in self.broker.gpus.all()}


def foreign_use(name: str) -> ForeignUse:
    return ForeignUse(f'Container "{name}" has it.', f'Container "{name}" had it.')


def ask(user: str = "ada", server: str = "", **options: object) -> Request:
    values = {"gpus": 1, "created_at": 1.0, "image": "image", **options}
    # An id has 64 characters at most; names may have more.
    return Request(id=f"{user}/{server}"[:64], user=user, server=server, **values)


def container(
    lease: Lease, container_id: str = "c1", state: ContainerState = ContainerState.RUNNING
) -> ObservedContainer:
    return ObservedContainer(
        container_id,
        f"lab-{lease.id}",
        state,
        lease.id,
        lease.user,
        lease.server,
        lease.gpu_uuids,
        created_at=lease.granted_at,
        slot=lease.slot,
        slots=lease.slots,
        groups=lease.groups,
    )
