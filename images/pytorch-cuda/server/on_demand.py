"""Imports that wait until something of them is used.

Python has no lazy imports before 3.15. Here a module that another one imports, but hardly ever
uses, is represented while that other one is imported; the first use of anything in it imports it
really. Representatives leave ``sys.modules`` at the end of the ``with`` block, so whoever imports
these modules later gets the modules themselves.
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


class Representative(types.ModuleType):
    """Stands for a module of the same name until an attribute is asked for."""

    def __getattr__(self, name: str) -> Any:
        """Import the module and return its attribute."""
        # What the import system asks every module for must not count as a use.
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
    """Have these modules imported when they are used instead of now.

    Args:
        modules: for each module's name what it has to offer at once: names that are imported
            *from* it, with what stands for them. A module that is loaded already, or whose package
            is not installed, is left alone.
    """
    placed = []
    for name, offered in modules.items():
        if name in sys.modules or not _installed(name.partition(".")[0]):
            continue
        representative = Representative(name)
        representative.__path__ = []  # its submodules are found in sys.modules, or by the real one
        vars(representative).update(offered)
        sys.modules[name] = representative
        placed.append(representative)
    try:
        yield
    finally:
        for representative in placed:
            _leave(representative)


@contextmanager
def absent(*modules: str) -> Iterator[None]:
    """Have the importers of these optional modules do without them."""
    hidden = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # None there is Python's own word for «not found»
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _installed(package: str) -> bool:
    return package in sys.modules or importlib.util.find_spec(package) is not None


def _real(name: str) -> types.ModuleType:
    # A package's representative would hide the package's own submodules.
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        present = sys.modules.get(".".join(parts[:count]))
        if isinstance(present, Representative):
            _leave(present)
    return importlib.import_module(name)


def _leave(representative: Representative) -> None:
    if sys.modules.get(representative.__name__) is representative:
        del sys.modules[representative.__name__]
