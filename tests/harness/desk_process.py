"""The desk in a process of its own, beside a hub of :mod:`harness.hub_process`."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import httpx

from gpudock.config.shared_volume import desk_prefix
from harness.forge import Forge, Process
from harness.front_door import FrontDoor
from harness.waiting import wait_for

if TYPE_CHECKING:
    from harness.hub_client import HubClient
    from harness.hub_process import HubProcess

PREFIX = "/services/gpudock/"
API = f"{PREFIX}api/v1/"


class DeskProcess:
    """One lab's desk.

    Attributes:
        url: where browsers come in, to the hub, the desk and users' servers.
        direct: where the desk itself listens.
        prefix: the desk's path.
    """

    def __init__(self, hub: HubProcess, **settings: str) -> None:
        """Prepare the desk of *hub*; nothing runs yet.

        Args:
            hub: whose desk it is.
            settings: GPUDOCK_* settings without their prefix, in addition to those of the hub.
        """
        self.hub = hub
        self.direct = f"http://127.0.0.1:{hub.desk_port}"
        self.log = hub.log.with_name("desk.log")
        self._settings = settings
        self._process: Process | None = None
        self.prefix = desk_prefix(hub.base_url)
        self._door = FrontDoor(hub.url, lambda: self.direct, self.prefix, hub.server_routes)
        self.url = self._door.url + hub.base_url.rstrip("/")

    def start(self) -> DeskProcess:
        """Start the desk and wait until it can do its work."""
        self.launch()
        wait_for(lambda: self.health() == httpx.codes.OK, "the desk is healthy", 60)
        return self

    def launch(self, agent_url: str | None = None) -> None:
        """Start the desk's process; without *agent_url* it asks the hub's agent."""
        if agent_url is None:
            agent_url = wait_for(self.hub.docker.agent_url, "the hub starts the agent")
        environ = {
            **self.hub.environ,
            **{f"GPUDOCK_{name}": value for name, value in self._settings.items()},
            "JUPYTERHUB_API_URL": f"{self.hub.url}/hub/api",
            "DESK_ADDRESS": "127.0.0.1",
            "DESK_PORT": str(self.hub.desk_port),
            "DESK_AGENT_URL": agent_url,
        }
        self._process = Forge.instance().start(
            program="gpudock.desk.__main__",
            arguments=[],
            directory=str(self.hub.state),
            log=str(self.log),
            environ=environ,
        )

    def health(self) -> int | None:
        """Return the status of the health check; ``None`` while the desk does not listen."""
        try:
            return httpx.get(f"{self.direct}{self.prefix}health", timeout=5).status_code
        except httpx.TransportError:
            assert self._process is not None
            assert self._process.runs(), f"the desk ended:\n{self.log.read_text()[-4000:]}"
            return None

    def stop(self) -> None:
        """End the desk as ``docker stop`` does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the desk between two of its instructions."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """End the desk, and close the door."""
        self.stop()
        self._door.close()

    def ask(
        self, method: str, path: str, token: str | None = None, **request: Any
    ) -> httpx.Response:
        """Call the API as a program does, with a token or without one."""
        headers = {**request.pop("headers", {})}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return httpx.request(
            method,
            f"{self.direct}{self.prefix}api/v1/{path}",
            headers=headers,
            timeout=60,
            **request,
        )

    def wait_for_free_gpus(self, token: str) -> None:
        """Wait until the desk has read that all GPUs are free."""

        def all_are_free() -> bool:
            gpus = self.ask("GET", "gpus", token).json()["gpus"]
            return {gpu["state"] for gpu in gpus} == {"free"}

        wait_for(all_are_free, "the desk has read that all GPUs are free")

    def token(self, user: HubClient, *scopes: str) -> str:
        """Return a new token of a user, with these scopes or, without any, all that they have."""
        answer = user.api(
            "POST", f"/users/{user.name}/tokens", {"scopes": list(scopes)} if scopes else {}
        )
        assert answer.status_code == httpx.codes.CREATED, answer.text
        return str(answer.json()["token"])

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.end(how)
