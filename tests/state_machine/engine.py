"""An engine that behaves like Docker, and fails like it.

Every call stops before it reaches the engine and asks for its fate: whether the effect comes about
now, later or never, and whether the caller learns of it. Who decides is either a test that drives
the calling coroutine by hand (see :class:`Task`), or a list of fates (``engine.fates``) under an
ordinary event loop.
"""

from __future__ import annotations

import asyncio
import enum
import itertools
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gpudock.engine.protocol import EngineRefused, EngineUnknown, NameTaken
from gpudock.model import ContainerState, Observation, ObservedContainer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from gpudock.model import DeviceNames, ForeignUse, Lease


class Fate(enum.Enum):
    """What becomes of a call."""

    DONE = "the effect comes about and the caller is notified"
    LOST = "the effect comes about, and the answer is lost"
    FAILED = "a 500: no effect"
    LATE = "the caller gives up, and the effect comes about later"


@dataclass(frozen=True, slots=True)
class Spec:
    """What a container is made from."""

    name: str
    lease_id: str
    user: str
    server: str
    gpu_uuids: tuple[str, ...]
    image: str = "image"
    slot: int = 0
    slots: int = 1
    groups: tuple[str, ...] = ()

    @classmethod
    def of(cls, lease: Lease) -> Spec:
        return cls(
            f"lab-{lease.id}",
            lease.id,
            lease.user,
            lease.server,
            lease.gpu_uuids,
            lease.image,
            lease.slot,
            lease.slots,
            lease.groups,
        )


@dataclass(slots=True)
class Container:
    """A container as the engine has it. ``ours``: gpudock started it last."""

    id: str
    spec: Spec
    created_at: float
    state: ContainerState = ContainerState.CREATED
    ours: bool = True
    exit_code: int | None = None

    def observed(self) -> ObservedContainer:
        return ObservedContainer(
            id=self.id,
            name=self.spec.name,
            state=self.state,
            lease_id=self.spec.lease_id,
            user=self.spec.user,
            server=self.spec.server,
            gpu_uuids=self.spec.gpu_uuids,
            image=self.spec.image,
            created_at=self.created_at,
            exit_code=self.exit_code,
            slot=self.spec.slot,
            slots=self.spec.slots,
            groups=self.spec.groups,
        )


@dataclass(slots=True)
class Call:
    """A call on its way to the engine."""

    verb: str
    target: str
    effect: Callable[[], Any]

    def __await__(self) -> Generator[Call, Fate, Fate]:
        return (yield self)


@dataclass
class FakeEngine:
    """See the module's text."""

    clock: Callable[[], float]
    by_hand: bool = False
    fates: deque[Fate] = field(default_factory=deque)
    containers: dict[str, Container] = field(default_factory=dict)
    late: list[Call] = field(default_factory=list)
    starts: list[tuple[str, str]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    broken_devices: set[str] = field(default_factory=set)
    unlisted_devices: set[str] = field(default_factory=set)
    has_driver: bool = True
    refused_at: dict[str, float] = field(default_factory=dict)
    _serial: itertools.count[int] = field(default_factory=itertools.count)

    # The protocol.

    async def create(self, spec: Spec) -> str:
        return await self._call("create", spec.name, lambda: self._create(spec))

    async def start(self, container: str) -> None:
        await self._call("start", container, lambda: self._start(container))

    async def stop(self, container: str, grace: float = 10.0) -> None:
        await self._call("stop", container, lambda: self._stop(container))

    async def remove(self, container: str, *, force: bool = False) -> None:
        await self._call("remove", container, lambda: self._remove(container, force=force))

    async def inspect(self, container: str) -> ObservedContainer | None:
        return await self._call("inspect", container, lambda: self._inspect(container))

    async def listed_gpus(self) -> frozenset[str] | None:
        return await self._call("info", "", lambda: None)

    def observe(
        self,
        foreign_use: dict[str, ForeignUse] | None = None,
        looked_for: frozenset[DeviceNames] | None = None,
    ) -> Observation:
        return Observation(
            self.clock(),
            tuple(container.observed() for container in self.containers.values()),
            foreign_use or {},
            looked_for,
        )

    # Fates.

    async def _call(self, verb: str, target: str, effect: Callable[[], Any]) -> Any:
        call = Call(verb, target, effect)
        if self.by_hand:
            fate = await call
        else:
            await asyncio.sleep(0)
            fate = self.fates.popleft() if self.fates else Fate.DONE
        self.log.append(f"{verb} {fate.name.lower()}")
        return self.meet(call, fate)

    def meet(self, call: Call, fate: Fate) -> Any:
        """Carry out a call as its fate says."""
        if fate is Fate.DONE:
            return call.effect()
        if fate is Fate.LATE:
            self.late.append(call)
        elif fate is Fate.LOST:
            self.land(call)
        raise EngineUnknown(f'no answer to "{call.verb}"')

    def land(self, call: Call) -> None:
        """Apply the effect of a call that nobody waits for any more."""
        try:
            call.effect()
        except (EngineRefused, EngineUnknown, NameTaken):
            return

    # Effects.

    def find(self, name_or_id: str) -> Container | None:
        if name_or_id in self.containers:
            return self.containers[name_or_id]
        return next((c for c in self.containers.values() if c.spec.name == name_or_id), None)

    def _create(self, spec: Spec) -> str:
        taken = self.find(spec.name)
        if taken is not None:
            raise NameTaken(taken.id)
        container = Container(f"c{next(self._serial):063d}", spec, self.clock())
        self.containers[container.id] = container
        return container.id

    def _start(self, name_or_id: str) -> None:
        container = self.find(name_or_id)
        if container is None:
            raise EngineRefused("No such container.")
        if container.state is ContainerState.RUNNING:
            return
        gpu_uuids = container.spec.gpu_uuids
        if gpu_uuids and not self.has_driver:
            raise EngineUnknown(
                'could not select device driver "nvidia" with capabilities: [[gpu]]'
            )
        unlisted = [uuid for uuid in gpu_uuids if uuid in self.unlisted_devices]
        if unlisted:
            self.refused_at.update(dict.fromkeys(unlisted, self.clock()))
            names = ", ".join(f"nvidia.com/gpu={uuid}" for uuid in unlisted)
            raise EngineUnknown(f"CDI device injection failed: unresolvable CDI devices {names}")
        if self.broken_devices & set(gpu_uuids):
            raise EngineUnknown('failed to stat CDI host device "/dev/dri/card1"')
        container.state = ContainerState.RUNNING
        container.ours = True
        self.starts.append((container.spec.lease_id, container.id))

    def _stop(self, name_or_id: str) -> None:
        container = self.find(name_or_id)
        if container is not None and container.state is ContainerState.RUNNING:
            self.exit(container)

    def exit(self, container: Container, code: int = 0) -> None:
        container.state = ContainerState.EXITED
        container.exit_code = code

    def _remove(self, name_or_id: str, *, force: bool) -> None:
        container = self.find(name_or_id)
        if container is None:
            return
        if container.state is ContainerState.RUNNING and not force:
            raise EngineRefused("The container runs.")
        del self.containers[container.id]

    def _inspect(self, name_or_id: str) -> ObservedContainer | None:
        container = self.find(name_or_id)
        return None if container is None else container.observed()


class Task:
    """A coroutine that is driven from one engine call to the next."""

    def __init__(self, what: str, lease_id: str, coroutine: Coroutine[Call, Any, Any]) -> None:
        self.what = what
        self.lease_id = lease_id
        self.call: Call | None = None
        self.result: Any = None
        self.error: BaseException | None = None
        self._coroutine = coroutine
        self._move(lambda: coroutine.send(None))

    @property
    def done(self) -> bool:
        return self.call is None

    def advance(self, fate: Fate) -> None:
        """Give the call that it waits for *fate*, and go on to the next."""
        self._move(lambda: self._coroutine.send(fate))

    def cancel(self) -> Call | None:
        """Cancel it as an event loop does; return the call that was on its way."""
        call = self.call
        self._move(lambda: self._coroutine.throw(asyncio.CancelledError()))
        return call

    def _move(self, move: Callable[[], Call]) -> None:
        try:
            self.call = move()
        except StopIteration as stop:
            self.call, self.result = None, stop.value
        except BaseException as error:  # noqa: BLE001 - a cancellation is an outcome as well
            self.call, self.error = None, error
