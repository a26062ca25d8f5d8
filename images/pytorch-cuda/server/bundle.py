"""The bytecode of all of the server's modules in one file.

Python searches several folders for each of some 750 modules, and opens, reads and checks a file for
each. A single file saves about 15 % of the start's CPU time, and more of its waiting time. It has
the content of the ``.pyc`` files and is used under the same condition: the source has the size and
the modification time that it was compiled from.
"""

# A Path for each module would cost what this saves.
# ruff: noqa: PTH116, PTH120

from __future__ import annotations

import importlib.util
import marshal
import os
import sys
from importlib.machinery import PathFinder, SourceFileLoader
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from pathlib import Path
    from types import CodeType, ModuleType

# Only the same Python with the same optimization can use the bytecode.
_MAGIC = importlib.util.MAGIC_NUMBER + bytes([sys.flags.optimize])


class _Loader(SourceFileLoader):
    """Loads a module's code from the bundle, or from its own file if that has changed."""

    def __init__(self, fullname: str, path: str, seconds: int, size: int, code: CodeType) -> None:
        super().__init__(fullname, path)
        self._bundled = (seconds, size, code)

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the module's code."""
        seconds, size, code = self._bundled
        found = os.stat(self.path)
        if (int(found.st_mtime), found.st_size) == (seconds, size):
            return code
        return super().get_code(fullname)


class _Finder:
    """Finds the modules of the bundle, and leaves all others to Python."""

    def __init__(self, modules: dict[str, tuple[str, bool, int, int, CodeType]]) -> None:
        self._modules = modules

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a bundled module."""
        found = self._modules.pop(fullname, None)
        if found is None:
            return None
        origin, is_package, seconds, size, code = found
        return importlib.util.spec_from_file_location(
            fullname,
            origin,
            loader=_Loader(fullname, origin, seconds, size, code),
            submodule_search_locations=[os.path.dirname(origin)] if is_package else None,
        )


def write(path: Path) -> int:
    """Write the bytecode of all loaded modules; return their number."""
    modules: dict[str, Any] = {}
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        if spec is None or not isinstance(spec.loader, SourceFileLoader) or spec.name != name:
            continue
        source = os.stat(spec.origin)
        modules[name] = (
            spec.origin,
            spec.submodule_search_locations is not None,
            int(source.st_mtime),
            source.st_size,
            spec.loader.get_code(name),
        )
    path.write_bytes(_MAGIC + marshal.dumps(modules))
    return len(modules)


def use(path: Path) -> None:
    """Import modules from the bundle, if it exists and this Python wrote it."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    if content.startswith(_MAGIC):
        # The file belongs to root, like this one, and is as trustworthy.
        modules = marshal.loads(memoryview(content)[len(_MAGIC) :])  # noqa: S302
        sys.meta_path.insert(sys.meta_path.index(PathFinder), _Finder(modules))
