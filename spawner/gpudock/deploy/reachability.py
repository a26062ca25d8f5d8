"""Whether the lab answers at its own address, and what is in the way if it does not.

The containers' health checks ask from inside. What a browser meets on its way to them is seen only
from outside: a port, the firewall's chains, the proxy and its routes.
"""

import http.client
import os
import socket
import subprocess
import time
from typing import Any

from gpudock.config.settings import Settings
from gpudock.deploy import engine_packages, namespace, output
from gpudock.deploy.engine import Engine
from gpudock.deploy.engine_config import EnginePaths

WAIT_SECONDS = 20.0
TRY_SECONDS = 3.0
_PROXY_PORT = 8000


def listens(address: str, port: int) -> bool:
    """Return whether something accepts connections at an address."""
    try:
        with socket.create_connection((address, port), TRY_SECONDS):
            return True
    except OSError:
        return False


def ensure(engine: Engine, project: str, settings: Settings) -> None:
    """Wait until the hub answers at the lab's address.

    No HTTP proxy of the environment is used: the address is this machine's own.

    Args:
        engine: the engine on which the lab runs.
        project: the lab's Compose project.
        settings: the lab's settings, of which the port and the path are used.

    Raises:
        ProblemError: it does not; the message names what is in the way.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    with output.heartbeat(lambda: "waiting for the lab to answer at its address"):
        while (found := _ask(engine.address, settings)) != "":
            if time.monotonic() > deadline:
                address = f"http://{engine.address}:{settings.port}{settings.base_url}"
                raise output.ProblemError(
                    f"The lab's containers run, but {address} does not answer: {found}."
                    f" {_cause(engine, project, settings)}"
                )
            time.sleep(0.2)


def _ask(address: str, settings: Settings) -> str:
    """Return why the hub does not answer, or an empty text if it does."""
    connection = http.client.HTTPConnection(address, settings.port, timeout=TRY_SECONDS)
    try:
        connection.request("GET", f"{settings.base_url}hub/health")
        answer = connection.getresponse()
    except TimeoutError:
        return "the connection timed out"
    except ConnectionRefusedError:
        return "the connection was refused"
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    if answer.status != http.client.OK:
        return f"status {answer.status} instead of 200"
    return ""


def _cause(engine: Engine, project: str, settings: Settings) -> str:
    """Return what is in the way, and what to do, in sentences."""
    proxy = _proxy(engine, project)
    if proxy is None or proxy["State"] != "running":
        return 'The proxy does not run: "make logs" shows why, "make up" starts it again.'
    if not any(port.get("PublicPort") == settings.port for port in proxy["Ports"]):
        return (
            f"Docker has not published port {settings.port} of the proxy."
            ' "make down" and "make up" create its container again.'
        )
    if _firewall_lost_rules(engine):
        return (
            "The firewall has no rule of Docker's for the proxy: another Docker Engine that started"
            " on this machine, or a firewall that was reloaded, has removed it. Restart Docker"
            ' ("systemctl restart docker"), which creates the rules again, and run "make up" again.'
        )
    networks = proxy["NetworkSettings"]["Networks"].values()
    inside = [network["IPAddress"] for network in networks if network.get("IPAddress")]
    if any(listens(address, _PROXY_PORT) for address in inside):
        return (
            f"The proxy accepts connections in its container, so something on the way to port"
            f' {settings.port} of this machine refuses them: a firewall ("iptables -S" lists its'
            ' rules), or another program at that port ("ss -ltnp" lists them). If it answers'
            ' nonetheless, "make logs" shows why the hub does not.'
        )
    return 'The proxy accepts no connection: "make logs" shows why.'


def _proxy(engine: Engine, project: str) -> dict[str, Any] | None:
    containers: list[dict[str, Any]] = engine.call("GET", "/containers/json?all=true")
    for container in containers:
        labels = container["Labels"]
        # What somebody starts by hand from the image inherits some of Compose's labels.
        if (
            labels.get("com.docker.compose.project") == project
            and labels.get("com.docker.compose.service") == "proxy"
            and labels.get("com.docker.compose.oneoff") == "False"
        ):
            return container
    return None


def _firewall_lost_rules(engine: Engine) -> bool:
    """Return whether Docker's chain has no rule for a proxy; ``False`` where nobody can tell."""
    prefix = engine_packages.newest()
    environ = os.environ if prefix is None else prefix.environ(os.environ)
    name = EnginePaths.of(engine.socket).namespace
    command = ["iptables", "--wait", "--list-rules"]
    if name is not None:
        command = [*namespace.enter(name), *command]
    try:
        listed = subprocess.run(
            command, env=dict(environ), capture_output=True, text=True, check=False
        )
    except OSError:
        return False
    if listed.returncode != 0 or "DOCKER" not in listed.stdout:
        return False  # not root, or an engine that uses nftables itself
    rules = [line for line in listed.stdout.splitlines() if line.startswith("-A DOCKER ")]
    return not any(f"--dport {_PROXY_PORT} " in rule for rule in rules)
