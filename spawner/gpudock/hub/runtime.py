"""What one hub process holds together: store, engine, agent, inventory, broker and reconciler.

There is one :class:`Runtime` in a hub. It starts with the hub, so that leases are true and waiting
users are served before anybody asks, and keeps trying for as long as the engine does not answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from jupyterhub.app import JupyterHub

from gpudock.broker import Broker, BrokerConfig
from gpudock.config.shared_volume import AGENT_TOKEN, NO_GPUS, leave_note
from gpudock.engine.client import DockerEngine, EngineInfo
from gpudock.engine.protocol import EngineError
from gpudock.engine.spec import GPUDelivery
from gpudock.hub.loops.agent_container import AgentContainer
from gpudock.hub.loops.orphans import Orphans
from gpudock.hub.loops.reconciler import Reconciler
from gpudock.hub.loops.resume_queue import resume_waiting
from gpudock.hub.loops.session_expiry import Warden
from gpudock.hub_api import HubAPI
from gpudock.inventory import Inventory, NoInventory, is_without_gpus
from gpudock.store import Store, StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from gpudock.model import Quota

log = logging.getLogger(__name__)

_RETRY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class RuntimeConfig:
    """What a runtime needs to know.

    Attributes:
        lab: name of the lab, which its containers carry.
        docker_url: for example ``unix:///var/run/docker.sock``.
        network: the Docker network of hub and users.
        agent_network: the Docker network of hub and agent, out of users' reach where there is one.
        database_url: SQLAlchemy URL of the store.
        shared_directory: what hub and desk share, the agent's token among it.
        default_quota: limits for whoever has none of their own.
        leftover_memory_mib: how much memory of a GPU that nobody has may be in use, MiB; ``None``:
            any amount.
        agent_image: image that contains gpudock; ``None``: the one that the hub itself runs in.
        hub_api_url, hub_api_token: to start the servers of those who waited when the hub stopped,
            and to ask who of the leases' users is still there; without a token those who wait keep
            their place and start when they come back.
        engine_patience: after how many seconds without anyone at the engine's socket, where it
            answered before, the hub ends itself, for whoever runs it to start it again; ``None``:
            never. An engine that restarts may make its socket anew, and a container that has the
            old one mounted sees the new one only after a restart of its own.
        orphan_interval: seconds between two questions to the Hub whether it knows the users and
            servers of the leases; without a token nothing is asked.
        orphan_grace: how many seconds a user must be missing who was never seen in the Hub.
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
    orphan_interval: float = 60.0
    orphan_grace: float = 3600.0


class Runtime:
    """The parts of a hub that outlast any one spawn."""

    _instance: ClassVar[Runtime | None] = None

    @classmethod
    def install(cls, runtime: Runtime) -> None:
        """Make *runtime* the hub's and start it on the running event loop."""
        if cls._instance is not None:
            message = "This hub has a gpudock runtime already."
            raise RuntimeError(message)
        cls._instance = runtime
        if JupyterHub.initialized():
            # What gpudock logs belongs into the Hub's log, in the Hub's form.
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
        """Prepare the parts that need no answer from the engine.

        Args:
            config: what to know.
            engine: the engine to use instead of the one at ``config.docker_url``.
        """
        self.config = config
        self.engine = engine or DockerEngine(config.docker_url, config.lab)
        self.engine_info: EngineInfo | None = None
        self.inventory: Inventory = NoInventory("The Docker Engine has not answered yet.")
        self.problem: str | None = "The lab is starting."
        self._broker: Broker | None = None
        self._reconciler: Reconciler | None = None
        self._ready = asyncio.Event()
        self._agent: AgentContainer | None = None
        self._main: asyncio.Task[None] | None = None

    @property
    def broker(self) -> Broker:
        """The broker; there is one as soon as :meth:`ready` returned."""
        assert self._broker is not None, "the runtime is not ready"
        return self._broker

    @property
    def reconciler(self) -> Reconciler:
        """The reconciler; there is one as soon as :meth:`ready` returned."""
        assert self._reconciler is not None, "the runtime is not ready"
        return self._reconciler

    @property
    def is_ready(self) -> bool:
        """Whether leases can be asked for."""
        return self._ready.is_set()

    @property
    def shutting_down(self) -> bool:
        """Whether the hub is stopping.

        The Hub cancels all its tasks when it stops, spawns among them, exactly as it cancels one
        spawn that its user gave up. The runtime's own task tells the two apart: only a stopping
        hub cancels it, and it does so to all tasks before any of them runs on.
        """
        return self._main is not None and (self._main.cancelling() > 0 or self._main.done())

    async def ready(self) -> None:
        """Wait until the engine answered and leases can be asked for."""
        await self._ready.wait()

    def start(self) -> None:
        """Start working on the running event loop."""
        # What the Hub has loaded stays for good. A collection of garbage that goes through all of
        # it stops the loop for 160 ms, in the middle of a burst of starts; left out, it does not.
        gc.collect()
        gc.freeze()
        self._main = asyncio.get_running_loop().create_task(self._run(), name="gpudock")

    async def stop(self) -> None:
        """Stop working; leases, containers and the agent stay as they are."""
        if self._main is not None:
            self._main.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._main
        await self.inventory.stop()
        self.engine.close()
        if Runtime._instance is self:
            Runtime._instance = None

    async def _run(self) -> None:
        store = Store(self.config.database_url)
        store.migrate()
        self.engine_info = await self._engine_info()
        self.inventory = await self._find_gpus(self.engine_info)
        reading = self.inventory.reading()
        # The desk follows an agent of its own accord, and has to know that there is none.
        leave_note(
            self.config.shared_directory / NO_GPUS,
            reading.problem if is_without_gpus(reading) else None,
        )
        await self.inventory.start()
        self._broker = Broker(
            store,
            self.inventory,
            BrokerConfig(
                default_quota=self.config.default_quota,
                leftover_memory_mib=self.config.leftover_memory_mib,
            ),
        )
        self._reconciler = Reconciler(
            self._broker,
            self.engine,
            self.inventory,
            patience=self.config.engine_patience,
            give_up=_end_hub,
        )
        unsubscribe = self.inventory.subscribe(lambda _reading: self.broker.tick())
        self.problem = None
        self._ready.set()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._reconciler.run())
                tasks.create_task(Warden(self._broker, self.engine).run())
                tasks.create_task(self._look_after_the_hubs_servers())
                if self._agent is not None:
                    tasks.create_task(self._agent.keep_running())
        finally:
            unsubscribe()

    async def _engine_info(self) -> EngineInfo:
        while True:
            try:
                info = await self.engine.info()
            except EngineError as error:
                if str(error) != self.problem:
                    log.warning("%s Waiting for it.", error)
                self.problem = str(error)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                log.info(
                    "Docker Engine %s on %s; gives GPUs by: %s",
                    info.version,
                    info.name,
                    info.delivery,
                )
                return info

    async def _find_gpus(self, info: EngineInfo) -> Inventory:
        if info.delivery is GPUDelivery.NONE:
            return NoInventory(
                "This server's Docker Engine has no NVIDIA GPU to give, so servers run on the CPU. "
                "If there is a GPU, install its driver and the NVIDIA Container Toolkit 1.17.8 "
                "or later, and restart the lab."
            )
        self._agent = AgentContainer(
            self.engine,
            lab=self.config.lab,
            network=self.config.agent_network,
            image=self.config.agent_image,
            delivery=info.delivery,
            host_name=info.name,
            token_file=self.config.shared_directory / AGENT_TOKEN,
        )
        return await self._agent.inventory()

    async def _look_after_the_hubs_servers(self) -> None:
        await self.reconciler.first_look()
        if not self.config.hub_api_url or not self.config.hub_api_token:
            return
        hub = HubAPI(self.config.hub_api_url, self.config.hub_api_token)
        try:
            await resume_waiting(self.broker, hub)
        except StoreError as error:
            # The others in the task group must go on: without them nobody frees GPUs.
            log.error("Those who wait could not be resumed: %s They keep their places.", error)
        await Orphans(
            self.broker,
            self.engine,
            hub,
            interval=self.config.orphan_interval,
            grace=self.config.orphan_grace,
        ).run()


def _end_hub() -> None:
    log.error("The Docker Engine's socket is dead; ending the hub, to be started with a new one.")
    os.kill(os.getpid(), signal.SIGTERM)
