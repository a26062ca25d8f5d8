"""The parts of a hub process that outlive any one server: store, engine, inventory, broker, loops.

A hub has one :class:`Runtime`, which starts with the hub, so that leases are reconciled and the
queue is served before the first user comes. It keeps trying while the engine does not answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from jupyterhub.app import JupyterHub

from gpudock.broker import Broker, BrokerConfig
from gpudock.config.remedies import GENERATE_CDI
from gpudock.config.shared_volume import (
    AGENT_TOKEN,
    HUB_PROBLEM,
    NO_GPUS,
    leave_note,
)
from gpudock.engine.client import DockerEngine, EngineInfo
from gpudock.engine.protocol import EngineError
from gpudock.engine.spec import GPUDelivery
from gpudock.hub.claim import STARTING, LabClaim
from gpudock.hub.loops.agent_container import AgentContainer
from gpudock.hub.loops.orphans import Orphans
from gpudock.hub.loops.patience import Patience
from gpudock.hub.loops.proxy_routes import ProxyRoutes
from gpudock.hub.loops.reconciler import Reconciler
from gpudock.hub.loops.resume_queue import QueueResume
from gpudock.hub.loops.session_expiry import SessionExpiry
from gpudock.hub.supervisor import Supervisor
from gpudock.hub_api import HubAPI
from gpudock.inventory import Inventory, NoInventory, UnknownInventory, is_without_gpus
from gpudock.language import Message, message_of
from gpudock.store import Store, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from gpudock.model import Quota

log = logging.getLogger(__name__)

_RETRY_SECONDS = 2.0
_HEALTH_SECONDS = 1.0
_DELIVERY_SECONDS = 5.0
_LOOKS_AT_DELIVERY = 2
"""How many looks in a row must find that the engine gives GPUs in another way."""


@dataclass(frozen=True, slots=True)
class RuntimeConfig:
    """Configuration of a runtime.

    Attributes:
        lab: name of the lab, which labels its containers.
        docker_url: for example ``unix:///var/run/docker.sock``.
        network: Docker network of hub and users.
        agent_network: Docker network of hub and agent, if possible one that users cannot reach.
        database_url: SQLAlchemy URL of the store.
        shared_directory: folder that hub and desk share; it holds the agent's token.
        default_quota: limits of users who have no others.
        leftover_memory_mib: memory in MiB that may be in use on a GPU without a lease; ``None``:
            any amount.
        agent_image: image that contains gpudock; ``None``: the hub's own.
        hub_api_url, hub_api_token: for restarting the servers of waiting users after a restart of
            the hub, and for finding orphaned leases. Without a token waiting users keep their
            places, and their servers start when they come back.
        engine_patience: seconds without an engine at its socket after which the hub ends itself,
            to be restarted; ``None``: never. An engine that restarts may create its socket again,
            and a container that mounts the old one sees the new one only after its own restart. A
            hub that may end itself also does so when the engine gives GPUs in another way, and when
            one of its tasks fails again and again.
        desk_url: where the desk listens, without its path; ``None``: there is no desk.
        orphan_interval: seconds between two searches for orphaned leases.
        orphan_grace: seconds for which a user who was never seen in the Hub must be missing.
    """

    lab: str
    docker_url: str
    network: str
    agent_network: str
    database_url: str
    shared_directory: Path
    default_quota: Quota
    leftover_memory_mib: int | None
    agent_image: str | None = None
    hub_api_url: str | None = None
    hub_api_token: str | None = None
    engine_patience: float | None = None
    desk_url: str | None = None
    orphan_interval: float = 60.0
    orphan_grace: float = 3600.0


class Runtime:
    """The parts of a hub that outlive any one server."""

    _instance: ClassVar[Runtime | None] = None

    @classmethod
    def install(cls, runtime: Runtime) -> None:
        """Make *runtime* the hub's and start it on the running event loop."""
        if cls._instance is not None:
            raise RuntimeError("This hub already has a gpudock runtime.")
        cls._instance = runtime
        if JupyterHub.initialized():
            # gpudock logs to the Hub's log, in the Hub's format.
            package = logging.getLogger("gpudock")
            package.parent = JupyterHub.instance().log
            package.setLevel(logging.INFO)
        runtime.start()

    @classmethod
    def instance(cls) -> Runtime:
        """Return the hub's runtime.

        Raises:
            RuntimeError: the configuration did not install one.
        """
        if cls._instance is None:
            message = (
                "gpudock's runtime is not installed. Call Runtime.install in jupyterhub_config.py, "
                "as the one in gpudock's repository does."
            )
            raise RuntimeError(message)
        return cls._instance

    def __init__(self, config: RuntimeConfig, engine: DockerEngine | None = None) -> None:
        """Prepare the parts that need no answer from database or engine.

        Args:
            config: what to know.
            engine: the engine to use instead of the one at ``config.docker_url``.

        Raises:
            StoreError: ``config.database_url`` is not a database URL, or its driver is missing.
        """
        self.config = config
        self.store = Store(config.database_url)
        self.tasks = Supervisor(self._give_up)
        self._claim = LabClaim(
            self.store, config.shared_directory, config.lab, self._report_problem
        )
        self.engine = engine or DockerEngine(config.docker_url, config.lab)
        self.engine_info: EngineInfo | None = None
        self.inventory: Inventory = UnknownInventory("The Docker Engine has not answered yet.")
        self.problem: str | None = STARTING
        self._broker: Broker | None = None
        self._reconciler: Reconciler | None = None
        self._ready = asyncio.Event()
        self._agent: AgentContainer | None = None
        self._main: asyncio.Task[None] | None = None
        self._health: asyncio.Task[None] | None = None

    @property
    def broker(self) -> Broker:
        """The broker; it exists as soon as :meth:`ready` has returned."""
        assert self._broker is not None, "the runtime is not ready"
        return self._broker

    @property
    def reconciler(self) -> Reconciler:
        """The reconciler; it exists as soon as :meth:`ready` has returned."""
        assert self._reconciler is not None, "the runtime is not ready"
        return self._reconciler

    @property
    def is_ready(self) -> bool:
        """Whether leases can be requested."""
        return self._ready.is_set()

    @property
    def shutting_down(self) -> bool:
        """Whether the hub is stopping.

        When the Hub stops it cancels all tasks, including spawns, just as it cancels a spawn that
        its user gave up. The runtime's own task makes the difference: only a stopping hub cancels
        it, and it cancels all tasks before any of them continues.
        """
        return self._main is not None and (self._main.cancelling() > 0 or self._main.done())

    async def ready(self) -> None:
        """Wait until database and engine have answered and leases can be requested."""
        await self._ready.wait()

    def start(self) -> None:
        """Start the runtime on the running event loop."""
        # Objects that exist now stay for good. A run of the garbage collector over all of them
        # blocks the loop for 160 ms, in the middle of a burst of starts, so they are excluded.
        gc.collect()
        gc.freeze()
        loop = asyncio.get_running_loop()
        self._main = loop.create_task(self.tasks.keep("its start", self._run), name="gpudock")
        self._health = loop.create_task(
            self.tasks.keep("its health note", self._note_health), name="gpudock-health"
        )

    async def stop(self) -> None:
        """Stop the runtime; leases, containers and the agent stay as they are."""
        for task in (self._health, self._main):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        await self.inventory.stop()
        self.engine.close()
        if Runtime._instance is self:
            Runtime._instance = None

    async def _run(self) -> None:
        await self._claim.wait_for_lock()
        await self._claim.open_database()
        patience = Patience(self.config.engine_patience, _end_hub)
        self.engine_info = await self._engine_info(patience)
        epoch = await self._claim.take_epoch(self.engine_info)
        self.inventory = await self._find_gpus(self.engine_info, patience)
        reading = self.inventory.reading()
        # The desk follows the agent on its own, and needs to know if there is none.
        leave_note(
            self.config.shared_directory / NO_GPUS,
            reading.problem if is_without_gpus(reading) else None,
        )
        self._broker = Broker(
            self.store,
            self.inventory,
            BrokerConfig(
                default_quota=self.config.default_quota,
                leftover_memory_mib=self.config.leftover_memory_mib,
            ),
            epoch=epoch,
        )
        self._reconciler = Reconciler(
            self._broker,
            self.engine,
            self.inventory,
            patience=patience,
        )
        # Nothing fails from here on: a second try would make a second broker.
        await self.inventory.start()
        unsubscribe = self.inventory.subscribe(lambda _reading: self.broker.tick())
        self.problem = None
        self._ready.set()
        loops: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "the hub's epoch": partial(self._claim.keep_epoch, self._broker, _end_hub),
            "the reconciler": self._reconciler.run,
            "the end of sessions": SessionExpiry(self._broker, self.engine).run,
            "the servers of waiting users": self._tend_servers,
            "the watch over the engine": partial(self._watch_delivery, self.engine_info),
        }
        if JupyterHub.initialized():
            loops["the proxy's routes"] = ProxyRoutes(JupyterHub.instance()).run
        if self._agent is not None:
            loops["the agent's container"] = self._agent.keep_running
        try:
            async with asyncio.TaskGroup() as tasks:
                for name, loop in loops.items():
                    tasks.create_task(self.tasks.keep(name, loop), name=name)
        finally:
            unsubscribe()
            with contextlib.suppress(StoreError):
                epoch.release(self.store)

    def _report_problem(self, problem: str) -> None:
        if problem not in (self.problem, STARTING):
            log.error("%s", problem)
        self.problem = problem

    def _give_up(self) -> None:
        """End the hub because one of its tasks fails again and again."""
        if self.config.engine_patience is None:
            log.error("Restart the hub.")
        else:
            log.error("Ending the hub, to be restarted.")
            _end_hub()

    async def _note_health(self) -> None:
        """Keep the note for the health check true until cancelled.

        The hub that holds the lock writes it, and none that waits for that one to end.
        """
        file = self.config.shared_directory / HUB_PROBLEM
        reported: str | None = ""  # what an earlier hub has left there is not known
        while True:
            problem = self.tasks.problem or self.problem
            if problem is None and self._reconciler is not None:
                problem = self._reconciler.problem
            if problem != reported and self._claim.is_locked:
                try:
                    leave_note(file, problem)
                except OSError as error:
                    log.warning("%s could not be written: %s", file, error)
                else:
                    reported = problem
            await asyncio.sleep(_HEALTH_SECONDS)

    async def _engine_info(self, patience: Patience) -> EngineInfo:
        while True:
            try:
                info = await self.engine.info()
            except EngineError as error:
                if str(error) != self.problem:
                    log.warning("%s Waiting for it.", error)
                self.problem = message_of(error)
                patience.failed(error)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                patience.answered()
                log.info(
                    "Docker Engine %s on %s; gives GPUs by: %s",
                    info.version,
                    info.name,
                    info.delivery,
                )
                if info.cdi_names and info.delivery is GPUDelivery.NVIDIA_RUNTIME:
                    log.warning(
                        'Its CDI specification names the GPUs by numbers only; "%s" names them by'
                        " UUID.",
                        GENERATE_CDI,
                    )
                return info

    async def _watch_delivery(self, former: EngineInfo) -> None:
        """End the hub, to be restarted, when the engine gives GPUs in another way than at first.

        So it does once a CDI specification was written, or the NVIDIA runtime installed. The agent
        and all later containers need the new way.
        """
        looks = 0
        while looks < _LOOKS_AT_DELIVERY:
            await asyncio.sleep(_DELIVERY_SECONDS)
            try:
                info = await self.engine.info()
            except EngineError:
                continue
            # A specification that is being written is missing for a moment.
            same = info.delivery in (former.delivery, GPUDelivery.NONE)
            looks = 0 if same else looks + 1
        log.warning(
            "The engine gives GPUs by %s now, and no longer by %s.", info.delivery, former.delivery
        )
        if self.config.engine_patience is None:
            log.warning("Restart the hub to use that.")
        else:
            log.warning("Ending the hub, to be restarted.")
            _end_hub()

    async def _find_gpus(self, info: EngineInfo, patience: Patience) -> Inventory:
        if info.delivery is GPUDelivery.NONE:
            return NoInventory(_why_no_gpus(info))
        self._agent = AgentContainer(
            self.engine,
            lab=self.config.lab,
            network=self.config.agent_network,
            image=self.config.agent_image,
            delivery=info.delivery,
            host_name=info.name,
            token_file=self.config.shared_directory / AGENT_TOKEN,
            patience=patience,
        )
        return await self._agent.inventory()

    async def _tend_servers(self) -> None:
        await self.reconciler.first_look()
        url, token = self.config.hub_api_url, self.config.hub_api_token
        hub = HubAPI(url, token) if url and token else None
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(QueueResume(self.broker, hub).run())
            if hub is not None:
                orphans = Orphans(
                    self.broker,
                    self.engine,
                    hub,
                    interval=self.config.orphan_interval,
                    grace=self.config.orphan_grace,
                )
                tasks.create_task(orphans.run())


def _why_no_gpus(info: EngineInfo) -> str:
    if info.cdi_names:
        return Message(
            "This server's Docker Engine names its GPUs by numbers only, which may change when the "
            "server boots, so servers run on the CPU. To offer the GPUs, run "
            '"{command}" on the server; the lab then uses them by itself.',
            command=GENERATE_CDI,
        )
    return Message(
        "This server's Docker Engine has no NVIDIA GPUs, so servers run on the CPU. If there is a "
        "GPU, install its driver and the NVIDIA Container Toolkit 1.17.8 or later, and run "
        '"{command}"; the lab then uses it by itself.',
        command=GENERATE_CDI,
    )


def _end_hub() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
