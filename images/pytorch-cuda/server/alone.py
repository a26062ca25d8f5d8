"""A server without a hub: JupyterLab for one person, and SSH if they gave a public key."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

import ssh

WORKSPACE = Path("/workspace")
PORT = 8888
_MOUNTS = Path("/proc/self/mountinfo")
_MOUNT_POINT = 4
"""The field of a line of ``mountinfo`` that names the mount point, see proc_pid_mountinfo(5)."""

_ESCAPED = re.compile(r"\\([0-7]{3})")
"""How the kernel writes a space or a backslash there; all other characters are themselves."""


def main(arguments: list[str]) -> None:
    """Start sshd if there are keys, then become JupyterLab; its log has the address with the token.

    Args:
        arguments: options for JupyterLab, such as ``--ServerApp.base_url=/lab/``.
    """
    if not os.access(Path.home(), os.W_OK):
        _use_temporary_home()
    for folder in workspace_folders(WORKSPACE, _MOUNTS):
        if not os.access(folder, os.W_OK):
            _say(read_only_message(folder))
    try:
        for problem in ssh.start():
            _say(problem)
    except ssh.SSHError as error:
        _say(str(error))
    command = [sys.executable, "-s", "-P", "-m", "jupyterlab", "--ip=0.0.0.0", f"--port={PORT}"]
    command += ["--no-browser"]
    if os.getuid() == 0:
        # Without a hub, root of the container is its owner's choice, and right in rootless Docker.
        command.append("--allow-root")
    os.execv(sys.executable, [*command, *arguments])  # noqa: S606


def workspace_folders(workspace: Path, mounts: Path) -> list[Path]:
    """Return the workspace and the folders that are mounted in it.

    Args:
        workspace: the workspace.
        mounts: a file as ``/proc/self/mountinfo``.
    """
    points = [line.split()[_MOUNT_POINT] for line in mounts.read_text().splitlines()]
    found = {Path(_ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), point)) for point in points}
    inside = {path for path in found if path.is_relative_to(workspace) and path.is_dir()}
    return sorted({workspace, *inside})


def read_only_message(folder: Path) -> str:
    """Return why files cannot be saved in a folder, and what to do about it."""
    status = folder.stat()
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return f"{folder} is mounted read-only, so nothing can be saved there."
    user = os.getuid()
    return (
        f"Nothing can be saved in {folder}: it belongs to user {status.st_uid} of the host, and "
        f"this container runs as user {user}. Give the folder that you mounted to that user "
        f'("sudo chown -R {user} FOLDER" on the host), or run the container as its owner '
        f'("docker run --user {status.st_uid}:{status.st_gid} ...").'
    )


def _use_temporary_home() -> None:
    """Keep settings and caches out of a home that cannot be written, so that JupyterLab starts."""
    home = tempfile.mkdtemp(prefix="gpudock-home-")
    os.environ["HOME"] = home
    # Users of other containers' images have no entry in /etc/passwd, where programs look these up.
    os.environ.setdefault("USER", "gpudock")
    os.environ.setdefault("LOGNAME", "gpudock")
    _say(f"Settings and packages that you install are lost when this container is removed: {home}.")


def _say(sentence: str) -> None:
    sys.stderr.write(f"gpudock: {sentence}\n")
    sys.stderr.flush()
