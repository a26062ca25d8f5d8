"""Lazy imports.

Python has none before 3.15. Here a placeholder takes the place of a module that is imported but
hardly ever used; the first use of an attribute imports the module itself. Placeholders are removed
from ``sys.modules`` at the end of the ``with`` block, so that later imports get the modules
themselves.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class Placeholder(types.ModuleType):
    """Takes the place of a module until one of its attributes is used."""

    def __getattr__(self, name: str) -> Any:
        """Import the module and return its attribute."""
        # The import system reads these attributes of every module.
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return getattr(_real(self.__name__), name)


def function(module: str, name: str) -> Callable[..., Any]:
    """Return a function that imports *module* when it is called, and calls *name* there."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(_real(module), name)(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    return call


@contextmanager
def on_demand(modules: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
    """Import these modules when they are used instead of now.

    Args:
        modules: for each module's name the names that are imported *from* it, with their
            substitutes. A module that is already loaded, or whose package is not installed, is left
            alone.
    """
    placed = []
    for name, offered in modules.items():
        if name in sys.modules or not _installed(name.partition(".")[0]):
            continue
        placeholder = Placeholder(name)
        placeholder.__path__ = []  # its submodules are found in sys.modules, or by the real one
        vars(placeholder).update(offered)
        sys.modules[name] = placeholder
        placed.append(placeholder)
    try:
        yield
    finally:
        for placeholder in placed:
            _leave(placeholder)


@contextmanager
def absent(*modules: str) -> Iterator[None]:
    """Make these optional modules look as if they were not installed."""
    hidden = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # None makes Python raise ModuleNotFoundError
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _installed(package: str) -> bool:
    return package in sys.modules or importlib.util.find_spec(package) is not None


def _real(name: str) -> types.ModuleType:
    # A package's placeholder would hide the package's submodules.
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        present = sys.modules.get(".".join(parts[:count]))
        if isinstance(present, Placeholder):
            _leave(present)
    return importlib.import_module(name)


def _leave(placeholder: Placeholder) -> None:
    if sys.modules.get(placeholder.__name__) is placeholder:
        del sys.modules[placeholder.__name__]
