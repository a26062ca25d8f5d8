"""Find, measure and delete workspaces, which outlive the accounts that they belong to.

The hub does not see the host's files, so short-lived containers look at them.
"""

from __future__ import annotations

import asyncio
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from gpudock.engine.protocol import EngineRefused
from gpudock.engine.spec import WORKSPACE_PATH, workspace_mount
from gpudock.hub.workspace import helper_container, is_directory
from gpudock.language import Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gpudock.engine.client import DockerEngine

_SIZE_SECONDS = 15.0
_MANY_LINES = 1000
_KIB = 1024
_EXIST = f'for name; do if [ -e {WORKSPACE_PATH}/"$name" ]; then echo "$name"; fi; done'
_SIZE = f"du -sk {WORKSPACE_PATH}"
_DELETE = f'rm -rf {WORKSPACE_PATH}/"$1"'
# Workspaces belong to several users, and their owners may have locked root out.
_READ_ALL = ("DAC_READ_SEARCH",)
_CHANGE_ALL = ("DAC_OVERRIDE", "FOWNER")


class WorkspaceFiles:
    """The workspaces on one engine's host."""

    def __init__(self, engine: DockerEngine, lab: str, image: str) -> None:
        """Prepare; nothing is asked yet.

        Args:
            engine: the engine of the host.
            lab: name of the lab.
            image: an image with a shell, which the engine has.
        """
        self._engine = engine
        self._lab = lab
        self._image = image

    async def existing(self, workspaces: Iterable[str]) -> set[str]:
        """Return those of the workspaces that exist.

        Args:
            workspaces: names of volumes, or absolute paths on the host.

        Raises:
            EngineError: it is not known.
        """
        wanted = set(workspaces)
        directories = {workspace for workspace in wanted if is_directory(workspace)}
        found = set()
        if wanted - directories:
            found = (wanted - directories) & await self._engine.volume_names()
        parents: dict[str, list[str]] = {}
        for directory in sorted(directories):
            path = PurePosixPath(directory)
            parents.setdefault(str(path.parent), []).append(path.name)
        for parent, names in parents.items():
            try:
                output = await self._run(_read_only(parent), _EXIST, names, _READ_ALL)
            except EngineRefused:  # Docker mounts no directory that does not exist
                continue
            found |= {str(PurePosixPath(parent) / name) for name in output.splitlines()}
        return found & wanted

    async def size(self, workspace: str) -> int | None:
        """Return how large an existing workspace is, in bytes; ``None``: counting takes too long.

        Raises:
            EngineError: it could not be measured.
        """
        try:
            async with asyncio.timeout(_SIZE_SECONDS):
                output = await self._run(_read_only(workspace), _SIZE, (), _READ_ALL)
        except TimeoutError:
            return None
        first = output.split(maxsplit=1)[0] if output else ""
        return int(first) * _KIB if first.isdecimal() else None

    async def delete(self, workspace: str) -> None:
        """Delete a workspace for good; one that does not exist counts as deleted.

        Raises:
            EngineRefused: a container still uses it, or it could not be deleted.
            EngineUnknown: it may or may not be there.
        """
        if not is_directory(workspace):
            await self._engine.remove_volume(workspace)
            return
        path = PurePosixPath(workspace)
        if await self.existing([workspace]):
            mount = workspace_mount(str(path.parent))
            await self._run(mount, _DELETE, [path.name], _CHANGE_ALL)

    async def _run(
        self,
        mount: dict[str, Any],
        script: str,
        arguments: Sequence[str],
        capabilities: Sequence[str],
    ) -> str:
        """Run a script in a container; return its output."""
        spec = helper_container(
            self._lab, self._image, mount, script, arguments, capabilities=capabilities
        )
        container = await self._engine.create(spec)
        try:
            await self._engine.start(container)
            code = await self._engine.wait(container)
            output = await self._engine.log_tail(container, _MANY_LINES)
        finally:
            await self._engine.remove(container, force=True)
        if code != 0:
            message = Message(
                "The workspace could not be read or deleted: {output}", output=output[-500:]
            )
            raise EngineRefused(message)
        return output


def _read_only(source: str) -> dict[str, Any]:
    return {**workspace_mount(source), "ReadOnly": True}
