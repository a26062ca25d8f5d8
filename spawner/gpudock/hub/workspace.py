"""Create workspaces that are directories of the host, before their container.

A named volume takes its owner from the image. A directory that Docker creates belongs to root, and
the container's user could not write to it. The hub does not see the host's files, so short-lived
containers check and create the directory.
"""

from __future__ import annotations

import logging
import uuid
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from gpudock.engine.labels import LABEL_LAB
from gpudock.engine.protocol import EngineRefused
from gpudock.engine.spec import USER, ContainerSpec
from gpudock.hub.errors import StartError

if TYPE_CHECKING:
    from gpudock.engine.client import DockerEngine

log = logging.getLogger(__name__)

_ROOT = "0:0"
_FOREIGN = 3
# Docker creates the directory with the first container that mounts it.
_CHECK = f"[ -w /workspace ] && [ -x /workspace ] || exit {_FOREIGN}"
# Only a new directory changes its owner: whatever has content is somebody's.
_GIVE = f"""\
owner=$(stat -c %u /workspace) || exit 1
if [ "$owner" = 0 ]; then
    content=$(ls -A /workspace) || exit 1
    case $content in "" | lost+found) exec chown {USER} /workspace ;; esac
fi
echo "$owner"
exit {_FOREIGN}
"""


def is_directory(workspace: str) -> bool:
    """Return whether *workspace* is a directory of the host and not a volume's name."""
    return PurePosixPath(workspace).is_absolute()


async def prepare_directory(
    engine: DockerEngine, lab: str, image: str, directory: str, *, own_user: bool = False
) -> None:
    """Create *directory* on the host if it is missing, and give a new one to the user.

    Args:
        engine: the engine of the host.
        lab: name of the lab.
        image: an image with a shell.
        directory: absolute path on the host.
        own_user: whether the server runs as the user that its image names; then it is not known
            whether that user can write.

    Raises:
        StartError: it belongs to somebody else; the message says what to do.
        EngineRefused: it could not be created; the message says why.
        EngineUnknown: the engine gave no answer.
    """
    code, output = await _run(engine, _preparation(lab, image, directory, _CHECK, USER))
    if code == _FOREIGN:
        code, output = await _run(engine, _preparation(lab, image, directory, _GIVE, _ROOT))
    if code == _FOREIGN:
        message = _whose(directory, output)
        if own_user:
            log.info("%s", message)
            return
        log.warning("%s", message)
        raise StartError(message, reason="workspace", status=503)
    if code != 0:
        message = f"The workspace {directory} could not be created on the host: {output}"
        raise EngineRefused(message)


def _whose(directory: str, owner: str) -> str:
    user = USER.partition(":")[0]
    if owner == user:
        return (
            f"Your server cannot write to its workspace, the directory {directory} of the host,"
            f" although it belongs to the user {user}: it is read-only, or its permissions or a"
            " security module such as SELinux forbid it. Ask the administrator to look at"
            f" 'ls -ldZ {directory}' and at the mount."
        )
    return (
        f"Your server cannot write to its workspace, the directory {directory} of the host: it"
        f" belongs to the user with the number {owner}, and servers run as {user}. Ask the"
        f" administrator to run 'chown -R {USER} {directory}', or, if its owner must stay,"
        f" 'setfacl -R -m u:{user}:rwX,d:u:{user}:rwX {directory}'."
    )


async def _run(engine: DockerEngine, spec: ContainerSpec) -> tuple[int, str]:
    """Run a container to its end; return its exit code and its output."""
    container = await engine.create(spec)
    try:
        await engine.start(container)
        code = await engine.wait(container)
        return code, "" if code == 0 else (await engine.log_tail(container)).strip()
    finally:
        await engine.remove(container, force=True)


def _preparation(lab: str, image: str, directory: str, script: str, user: str) -> ContainerSpec:
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
            "Entrypoint": ["/bin/sh", "-c", script],
            "Cmd": [],
            "User": user,
            "Env": ["NVIDIA_VISIBLE_DEVICES=void"],
            "Healthcheck": {"Test": ["NONE"]},
            "Labels": {LABEL_LAB: lab},
            "HostConfig": {
                "NetworkMode": "none",
                "Mounts": [mount],
                "CapDrop": ["ALL"],
                "CapAdd": ["CHOWN"] if user == _ROOT else [],
                "SecurityOpt": ["no-new-privileges:true"],
                "ReadonlyRootfs": True,
                "PidsLimit": 16,
                "RestartPolicy": {"Name": "no"},
            },
        },
    )
