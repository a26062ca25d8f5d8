"""The configuration of the desk's process."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gpudock.config.shared_volume import DESK_PORT, FOLDER

if TYPE_CHECKING:
    from collections.abc import Mapping

HUB = "http://hub:8081"


@dataclass(frozen=True, slots=True)
class DeskConfig:
    """Where the desk runs. ``docker-compose.yml`` uses the defaults; tests do not.

    Attributes:
        shared: the folder that it shares with the hub.
        hub_api: the address of the Hub's REST API; ``None``: the default.
        address, port: where it listens.
        agent_url: where the agent listens; ``None``: the default.
    """

    shared: Path
    hub_api: str | None = None
    address: str = ""
    port: int = DESK_PORT
    agent_url: str | None = None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> DeskConfig:
        """Read it from the environment, with JupyterHub's names for services where it has one."""
        return cls(
            shared=Path.cwd() / FOLDER,
            hub_api=environ.get("JUPYTERHUB_API_URL") or None,
            address=environ.get("DESK_ADDRESS", ""),
            port=int(environ.get("DESK_PORT") or DESK_PORT),
            agent_url=environ.get("DESK_AGENT_URL") or None,
        )


def cookie_secret(token: str) -> bytes:
    """Derive the secret that signs cookies from the desk's token, so that both change together."""
    return hmac.digest(token.encode(), b"gpudock desk cookies", hashlib.sha256)
