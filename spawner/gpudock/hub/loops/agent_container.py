"""The lab's agent container, which the hub creates.

The agent reads NVML for all GPUs. It has no state, so the hub simply creates it again when the hub
starts or the agent is gone; leases do not depend on it.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING

from gpudock.config.names import agent_name
from gpudock.config.remedies import GENERATE_CDI
from gpudock.config.shared_volume import AGENT_PORT, secret
from gpudock.engine.protocol import EngineError, EngineRefused, NameTaken
from gpudock.engine.spec import GPUDelivery, agent_config
from gpudock.inventory import AgentInventory, Inventory
from gpudock.language import Message, message_of
from gpudock.model import ContainerState

if TYPE_CHECKING:
    from pathlib import Path

    from gpudock.engine.client import DockerEngine
    from gpudock.hub.loops.patience import Patience

log = logging.getLogger(__name__)

_CHECK_SECONDS = 10.0
_RETRY_SECONDS = 2.0


class AgentContainer:
    """Starts the agent, and starts it again when it is gone."""

    def __init__(
        self,
        engine: DockerEngine,
        *,
        lab: str,
        network: str,
        image: str | None,
        delivery: GPUDelivery,
        host_name: str,
        token_file: Path,
        patience: Patience,
    ) -> None:
        """Prepare the agent of *lab*.

        Args:
            engine: where it runs.
            lab: name of the lab.
            network: the network on which the hub can reach it.
            image: image that contains gpudock; ``None`` takes the hub's own.
            delivery: how the engine gives GPUs.
            host_name: the host's name in readings.
            token_file: file with the agent's token.
            patience: learns whether the engine answers, until the agent has been started.
        """
        self._engine = engine
        self._lab = lab
        self._network = network
        self._image = image
        self._delivery = delivery
        self._host_name = host_name
        self._token_file = token_file
        self._patience = patience
        self._url = ""
        self._problem = "The GPU agent has not been started yet."

    async def inventory(self) -> Inventory:
        """Start the agent, as soon as the engine answers, and return the inventory that follows it.

        If the engine refuses to start a container with GPUs, the inventory reports the engine's
        message, until a later try succeeds (:meth:`keep_running`).
        """
        self._token = secret(self._token_file)
        while True:
            if await self._try_to_start():
                break
            await asyncio.sleep(_RETRY_SECONDS)
        return AgentInventory(lambda: self._url, self._token, why_no_url=lambda: self._problem)

    async def keep_running(self) -> None:
        """Keep the agent running until cancelled."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            try:
                container = await self._engine.inspect(self._name)
                if container is None or container.state is not ContainerState.RUNNING:
                    log.warning("The agent is not running; starting it again.")
                    await self._try_to_start()
                else:
                    await self._find_address()
            except EngineError as error:
                log.warning("The agent could not be checked: %s", error)

    async def _try_to_start(self) -> bool:
        """Start a new agent. Return whether the engine answers, even with a refusal."""
        try:
            await self._recreate()
        except EngineRefused as error:
            self._failed(Message("The GPUs could not be read: {error}", error=message_of(error)))
        except EngineError as error:
            self._patience.failed(error)
            if not await self._engine_works():
                return False
            problem = Message(
                "The Docker Engine could not give the GPUs to the agent: {error} "
                'Run "{command}" on the host; the lab tries again by itself.',
                error=message_of(error),
                command=GENERATE_CDI,
            )
            self._failed(problem)
        return True

    def _failed(self, problem: str) -> None:
        if problem != self._problem:
            log.error("The agent could not be started. %s", problem)
        self._url, self._problem = "", problem

    @property
    def _name(self) -> str:
        return agent_name(self._lab)

    async def _recreate(self) -> None:
        image = self._image or await self._engine.own_image(socket.gethostname())
        if image is None:
            message = Message(
                "The agent's image is not known, because the hub does not run in a container. "
                "Set GPUDOCK_AGENT_IMAGE to the name of the hub's image."
            )
            raise EngineRefused(message)
        spec = agent_config(
            lab=self._lab,
            network=self._network,
            image=image,
            port=AGENT_PORT,
            token=self._token,
            delivery=self._delivery,
            host_name=self._host_name,
        )
        await self._engine.remove(self._name, force=True)
        await self._refuse_to_share()
        try:
            container = await self._engine.create(spec)
        except NameTaken as error:
            raise EngineError(
                Message("Another container is named {name}.", name=self._name)
            ) from error
        await self._engine.start(container)
        try:
            await self._refuse_to_share()  # another lab may have started at the same moment
        except EngineRefused:
            await self._engine.remove(self._name, force=True)
            raise
        await self._find_address()

    async def _refuse_to_share(self) -> None:
        """Make sure that no other lab on this engine was first.

        Each would take the other's containers for foreign use of its GPUs.

        Raises:
            EngineRefused: one was.
        """
        labs = await self._engine.labs_with_agents()
        if labs and labs[0] != self._lab:
            message = Message(
                'The lab "{lab}" has the GPUs of this Docker Engine, and two labs cannot share '
                "them. Stop that lab, and this one goes on by itself; or give this one a Docker "
                "Engine of its own.",
                lab=labs[0],
            )
            raise EngineRefused(message)

    async def _find_address(self) -> None:
        address = await self._engine.address(self._name, self._network)
        if address:
            self._url = f"http://{address}:{AGENT_PORT}"

    async def _engine_works(self) -> bool:
        try:
            await self._engine.info()
        except EngineError:
            return False
        return True
