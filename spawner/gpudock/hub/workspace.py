"""Create workspaces before the containers that use them.

A directory that Docker creates belongs to root, and so does a new volume, unless the image has a
directory of another owner in its place; the container's user could not write to it. The hub does
not see the host's files, so short-lived containers check and create the workspace.
"""

from __future__ import annotations

import logging
import uuid
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from gpudock.engine.labels import LABEL_LAB
from gpudock.engine.protocol import EngineRefused
from gpudock.engine.spec import USER, WORKSPACE_PATH, ContainerSpec, workspace_mount
from gpudock.hub.errors import StartError
from gpudock.language import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gpudock.engine.client import DockerEngine
    from gpudock.engine.spec import ImageConfig

log = logging.getLogger(__name__)

ROOT = "0:0"
"""User and group of a container that works on files of several users."""

_FOREIGN = 3
# Docker creates the workspace with the first container that mounts it.
_CHECK = f"[ -w /workspace ] && [ -x /workspace ] || exit {_FOREIGN}"
# Only a new workspace changes its owner: whatever has content is somebody's.
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


def needs_preparation(workspace: str, image: ImageConfig, *, own_user: bool) -> bool:
    """Return whether a server of *image* could find a workspace to which it cannot write.

    A volume takes its owner from an image that has a volume there, such as gpudock's own.

    Args:
        workspace: name of a volume, or an absolute path on the host.
        image: the server's image.
        own_user: whether the server runs as the user that its image names, who may be root and
            could then not write to a volume of somebody else.
    """
    return is_directory(workspace) or not (own_user or WORKSPACE_PATH in image.volumes)


async def prepare_workspace(
    engine: DockerEngine, lab: str, image: str, workspace: str, *, own_user: bool = False
) -> None:
    """Create *workspace* if it is missing, and give a new one to the user.

    Args:
        engine: the engine of the host.
        lab: name of the lab.
        image: an image with a shell.
        workspace: name of a volume, or an absolute path on the host.
        own_user: whether the server runs as the user that its image names; then it is not known
            whether that user can write.

    Raises:
        StartError: it belongs to somebody else; the message says what to do.
        EngineRefused: it could not be created; the message says why.
        EngineUnknown: the engine gave no answer.
    """
    code, output = await _run(engine, _preparation(lab, image, workspace, _CHECK, USER))
    if code == _FOREIGN:
        code, output = await _run(engine, _preparation(lab, image, workspace, _GIVE, ROOT))
    if code == _FOREIGN:
        message = _whose(workspace, output, image)
        if own_user:
            log.info("%s", message)
            return
        log.warning("%s", message)
        raise StartError(message, reason="workspace", status=503)
    if code != 0:
        message = Message(
            "The workspace {workspace} could not be created on the host: {output}",
            workspace=workspace,
            output=output,
        )
        raise EngineRefused(message)


def _whose(workspace: str, owner: str, image: str) -> str:
    user = USER.partition(":")[0]
    is_path = is_directory(workspace)
    what = (
        Message("the directory {workspace} of the host", workspace=workspace)
        if is_path
        else Message("the volume {workspace}", workspace=workspace)
    )
    if owner == user:
        return Message(
            "Your server cannot write to its workspace, {what}, although it belongs to the user "
            "{user}: it is read-only, or its permissions or a security module such as SELinux "
            "forbid it. Ask the administrator to look at permissions and mount.",
            what=what,
            user=user,
        )
    way = (
        Message(
            "'{change}', or, if its owner must stay, '{allow}'",
            change=f"chown -R {USER} {workspace}",
            allow=f"setfacl -R -m u:{user}:rwX,d:u:{user}:rwX {workspace}",
        )
        if is_path
        else f"'docker run --rm --user 0 --entrypoint chown -v {workspace}:{WORKSPACE_PATH}"
        f" {image} -R {USER} {WORKSPACE_PATH}'"
    )
    return Message(
        "Your server cannot write to its workspace, {what}: it belongs to the user with the number "
        "{owner}, and servers run as {user}. Ask the administrator to run {way}.",
        what=what,
        owner=owner,
        user=user,
        way=way,
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


def _preparation(lab: str, image: str, workspace: str, script: str, user: str) -> ContainerSpec:
    mount = workspace_mount(workspace)
    if is_directory(workspace):
        mount["BindOptions"] = {"CreateMountpoint": True}
    else:
        # The first server's image fills an empty volume.
        mount["VolumeOptions"] = {"NoCopy": True}
    capabilities = ["CHOWN"] if user == ROOT else []
    return helper_container(lab, image, mount, script, user=user, capabilities=capabilities)


def helper_container(
    lab: str,
    image: str,
    mount: dict[str, Any],
    script: str,
    arguments: Sequence[str] = (),
    *,
    user: str = ROOT,
    capabilities: Sequence[str] = (),
) -> ContainerSpec:
    """Describe a short-lived container that runs a shell script on the host's files.

    Args:
        lab: name of the lab.
        image: an image with a shell.
        mount: what the script sees of the host, in the format of the Docker Engine API.
        script: for ``/bin/sh``.
        arguments: of the script.
        user: user and group that run it.
        capabilities: what it may do beyond reading and writing files of that user.
    """
    return ContainerSpec(
        name=f"{lab}-prepare-{uuid.uuid4().hex[:12]}",
        config={
            "Image": image,
            "Entrypoint": ["/bin/sh", "-c", script],
            "Cmd": ["sh", *arguments] if arguments else [],
            "User": user,
            "Env": ["NVIDIA_VISIBLE_DEVICES=void"],
            "Healthcheck": {"Test": ["NONE"]},
            "Labels": {LABEL_LAB: lab},
            "HostConfig": {
                "NetworkMode": "none",
                "Mounts": [mount],
                "CapDrop": ["ALL"],
                "CapAdd": list(capabilities),
                "SecurityOpt": ["no-new-privileges:true"],
                "ReadonlyRootfs": True,
                "PidsLimit": 16,
                "RestartPolicy": {"Name": "no"},
            },
        },
    )
