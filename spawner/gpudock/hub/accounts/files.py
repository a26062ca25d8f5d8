"""The workspaces of accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpudock.config.names import slug
from gpudock.hub.runtime import Runtime
from gpudock.hub.workspace_files import WorkspaceFiles
from gpudock.language import Message

if TYPE_CHECKING:
    from collections.abc import Iterable

_UNITS = ("KB", "MB", "GB", "TB")
_STEP = 1000


class AccountFiles:
    """Finds, measures and deletes the workspaces of accounts; errors are those of the engine."""

    def __init__(self, app: Any) -> None:
        """Prepare for a Hub's application, whose spawner knows where workspaces are."""
        self._pattern = str(_configured(app, "workspace"))
        runtime = Runtime.instance()
        image = str(_configured(app, "image"))
        self._files = WorkspaceFiles(runtime.engine, runtime.config.lab, image)

    async def existing(self, names: Iterable[str]) -> set[str]:
        """Return those of the names whose workspaces exist."""
        workspaces = {self._workspace(name): name for name in names}
        return {workspaces[found] for found in await self._files.existing(workspaces)}

    async def size(self, name: str) -> str | None:
        """Return the size of an account's workspace for people; ``None``: it has none."""
        workspace = self._workspace(name)
        if not await self._files.existing([workspace]):
            return None
        return size_text(await self._files.size(workspace))

    async def delete(self, name: str) -> None:
        """Delete the workspace of an account."""
        await self._files.delete(self._workspace(name))

    def _workspace(self, name: str) -> str:
        return self._pattern.replace("{user}", slug(name))


def size_text(size: int | None) -> str:
    """Return a size in bytes for people, for example ``12.3 GB``."""
    if size is None:
        return Message("more than could be counted in 15 seconds")
    value, unit = float(size), "bytes"
    for following in _UNITS:
        if value < _STEP:
            break
        value, unit = value / _STEP, following
    if unit == "bytes":
        return Message("{size:.0f} bytes", size=value)
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.1f} {unit}"


def _configured(app: Any, trait: str) -> Any:
    """Return an option of the Hub's spawner, as a spawner of a user would have it."""
    for cls in app.spawner_class.mro():
        section = app.config.get(cls.__name__, {})
        if trait in section:
            return section[trait]
    return app.spawner_class.class_traits()[trait].default()
