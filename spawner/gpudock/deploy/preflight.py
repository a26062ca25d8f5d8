"""Checks before anything is changed."""

import errno
import json
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

from gpudock.config import extra_config
from gpudock.config.logo import media_type
from gpudock.deploy import output, reachability
from gpudock.deploy.engine import Engine
from gpudock.deploy.tools import Compose

BUILD_BYTES = 15 * 2**30
RUN_BYTES = 2**30


def check_extra_configuration(root: Path, logo: str | None = None) -> None:
    """Make sure that the hub can load the files in ``jupyterhub_config.d``.

    What it passes over is reported once the lab is up.

    Args:
        root: the project's folder.
        logo: the name of the lab's logo, which must be there, too.

    Raises:
        ProblemError: it cannot, with a sentence for each reason.
    """
    folder = root / extra_config.FOLDER
    found = extra_config.examine(folder, extra_config.HUB_ID, logo)
    fatal = [complaint.text for complaint in found if complaint.fatal]
    if logo is not None:
        try:
            media_type(folder / logo)
        except ValueError as error:
            fatal.append(
                f"GPUDOCK_LAB_LOGO names {extra_config.FOLDER}/{logo}, which {error}. Put an image"
                " there, or remove the setting."
            )
    if fatal:
        raise output.ProblemError("\n".join(fatal))


def check_syntax(root: Path, compose: Compose) -> None:
    """Make sure that the hub's Python understands the files in ``jupyterhub_config.d``.

    An older Python on the host does not know all of its syntax, so the hub's image is asked then.

    Args:
        root: the project's folder.
        compose: the lab, whose images are built.

    Raises:
        ProblemError: it does not understand one; the message names file and line.
    """
    folder = root / extra_config.FOLDER
    if sys.version_info >= extra_config.HUB_PYTHON or not extra_config.examine(folder):
        return
    _, text = compose.run("config", "--format", "json")
    image = json.loads(text)["services"]["hub"]["image"]
    checked = compose.tools.run(
        *("run", "--rm", "--pull", "never", "--network", "none", "--read-only"),
        *("--user", str(extra_config.HUB_ID), "--entrypoint", "/opt/hub/bin/python"),
        *("--volume", f"{folder}:{extra_config.IN_THE_HUB}:ro"),
        *(image, "-I", "-m", "gpudock.config.extra_config"),
    )
    if checked.returncode != 0:
        raise output.ProblemError(checked.stdout.strip() or checked.stderr.strip())


def check_port(engine: Engine, project: str, port: int) -> None:
    """Make sure that the lab's port is free, or that this lab uses it.

    Raises:
        ProblemError: something else uses it.
    """
    for container in engine.call("GET", "/containers/json"):
        if not any(published.get("PublicPort") == port for published in container["Ports"]):
            continue
        if container["Labels"].get("com.docker.compose.project") == project:
            return
        name = container["Names"][0].lstrip("/")
        raise _port_in_use(port, f'the container "{name}"')
    if engine.address != "localhost":
        if reachability.listens(engine.address, port):
            raise _port_in_use(port, f"another program at {engine.address}")
        return
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise _port_in_use(port, _listener(port)) from error
            # Only root may listen below 1024. The engine, which will listen, is root.
            if error.errno != errno.EACCES:
                raise


def check_labs(engine: Engine, project: str) -> None:
    """Make sure that no other lab has the engine's GPUs.

    Raises:
        ProblemError: one has; each would take the other's containers for foreign use of its GPUs.
    """
    for container in engine.call("GET", "/containers/json"):
        lab = container["Labels"].get("gpudock.lab", project)
        if container["Labels"].get("gpudock.agent") == "true" and lab != project:
            raise output.ProblemError(
                f'The lab "{lab}" has the GPUs of the Docker Engine at {engine.socket}, and two'
                f' labs cannot share them. Stop that lab ("COMPOSE_PROJECT_NAME={lab} make down" in'
                " its folder), or set GPUDOCK_DOCKER_SOCKET to another engine's socket."
            )


def check_disk(engine: Engine, images: list[str]) -> None:
    """Make sure that there is enough disk space.

    Args:
        engine: the engine that will hold the images.
        images: the images of the lab.

    Raises:
        ProblemError: there is too little.
    """
    missing = [image for image in images if not engine.has_image(image)]
    needed = BUILD_BYTES if missing else RUN_BYTES
    # The folder of an engine in a virtual machine is not here.
    if not engine.data_root.exists():
        return
    free = shutil.disk_usage(engine.data_root).free
    if free < needed:
        purpose = "build the images" if missing else "run"
        raise output.ProblemError(
            f"The lab needs {output.mebibytes(needed)} of disk in {engine.data_root} to {purpose},"
            f' and {output.mebibytes(free)} are free. Free some space there ("docker system df"'
            " shows what Docker uses), or move Docker's data, and try again."
        )


def _port_in_use(port: int, holder: str) -> output.ProblemError:
    return output.ProblemError(
        f"Port {port} is in use by {holder}. Stop it, or set GPUDOCK_PORT to another port in .env"
        " and try again."
    )


def _listener(port: int) -> str:
    """Return the process that listens on a port, if this user may see it."""
    inodes = {f"socket:[{entry['inode']}]" for entry in _listening() if entry["port"] == port}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(link.readlink()) in inodes for link in (process / "fd").iterdir()):
                name = (process / "comm").read_text().strip()
                return f'"{name}" (process {process.name})'
        except OSError:
            continue
    return "another program"


def _listening() -> list[dict[str, Any]]:
    """Return port and inode of all listening TCP sockets of this machine."""
    found = []
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if table.exists():
            for line in table.read_text().splitlines()[1:]:
                columns = line.split()
                if columns[3] == "0A":
                    port = int(columns[1].rpartition(":")[2], 16)
                    found.append({"port": port, "inode": columns[9]})
    return found
