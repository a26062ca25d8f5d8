"""Create workspaces that are directories of the host, before their container.

A named volume takes its owner from the image. A directory that Docker creates belongs to root, and
the container's user could not write to it. The hub does not see the host's files, so a short-lived
container creates the directory.
"""

from __future__ import annotations

import uuid
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from gpudock.engine.labels import LABEL_LAB
from gpudock.engine.protocol import EngineRefused
from gpudock.engine.spec import ContainerSpec

if TYPE_CHECKING:
    from gpudock.engine.client import DockerEngine

_OWNER = "1000:1000"
# A directory that has another owner already is left unchanged.
_SCRIPT = f'[ "$(stat -c %u /workspace)" != 0 ] || exec chown {_OWNER} /workspace'


def is_directory(workspace: str) -> bool:
    """Return whether *workspace* is a directory of the host and not a volume's name."""
    return PurePosixPath(workspace).is_absolute()


async def prepare_directory(engine: DockerEngine, lab: str, image: str, directory: str) -> None:
    """Create *directory* on the host if it is missing, and give a new one to the user.

    Args:
        engine: the engine of the host.
        lab: name of the lab.
        image: an image with a shell.
        directory: absolute path on the host.

    Raises:
        EngineRefused: it could not be created; the message says why.
        EngineUnknown: the engine gave no answer.
    """
    spec = _preparation(lab, image, directory)
    container = await engine.create(spec)
    try:
        await engine.start(container)
        if await engine.wait(container) != 0:
            tail = await engine.log_tail(container)
            message = f"The workspace {directory} could not be created on the host: {tail.strip()}"
            raise EngineRefused(message)
    finally:
        await engine.remove(container, force=True)


def _preparation(lab: str, image: str, directory: str) -> ContainerSpec:
    mount = {
        "Type": "bind",
        "Source": directory,
        "Target": "/workspace",
        "BindOptions": {"CreateMountpoint": True},
    }
    return ContainerSpec(
        name=f"{lab}-prepare-{uuid.uuid4().hex[:12]}",
        config={
            "Image": image,
            "Entrypoint": ["/bin/sh", "-c", _SCRIPT],
            "Cmd": [],
            "User": "0:0",
            "Env": ["NVIDIA_VISIBLE_DEVICES=void"],
            "Healthcheck": {"Test": ["NONE"]},
            "Labels": {LABEL_LAB: lab},
            "HostConfig": {
                "NetworkMode": "none",
                "Mounts": [mount],
                "CapDrop": ["ALL"],
                "CapAdd": ["CHOWN"],
                "SecurityOpt": ["no-new-privileges:true"],
                "ReadonlyRootfs": True,
                "PidsLimit": 16,
                "RestartPolicy": {"Name": "no"},
            },
        },
    )
