"""Loads the files of ``jupyterhub_config.d``, and names file and line of whatever is wrong.

JupyterHub's ``load_subconfig`` skips a file that it may not read, hides what the main file has set,
and answers an error with a traceback in each of the restarts that follow.
"""

from __future__ import annotations

import ast
import copy
import difflib
import sys
import traceback
from typing import TYPE_CHECKING, Any

from jupyterhub.app import JupyterHub
from jupyterhub.crypto import CryptKeeper
from traitlets import HasTraits, TraitError
from traitlets.config import Config, Configurable
from traitlets.config.loader import DeferredConfig, LazyConfigValue

from gpudock.config.extra_config import Record, digests, examine, place, python_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_AGAIN = 'Fix the file, then run "make up" or "docker compose restart hub".'
_SHARED = (
    *("services", "load_roles", "custom_scopes", "extra_handlers"),
    *("template_paths", "template_vars", "jinja_environment_options"),
)
"""Options in which the lab has parts of its own, and examples for JupyterHub set new lists."""
_CHOSEN_CLASSES = ("spawner_class", "authenticator_class", "proxy_class")


def load(folder: Path, config: Config, record: Path, logo: str | None = None) -> None:
    """Run each file of the folder with ``c``, the configuration so far.

    Lines that have no effect are reported on standard error, and kept in the record.

    Args:
        folder: the folder; it need not exist.
        config: the configuration, which the files change.
        record: where to write what was loaded.
        logo: the name of the lab's logo, which is in the folder as well.

    Raises:
        SystemExit: a file cannot be loaded; the message names file and line.
    """
    complaints = examine(folder, logo=logo)
    fatal = [complaint.text for complaint in complaints if complaint.fatal]
    if fatal:
        raise SystemExit("\n".join(f"gpudock: {text}" for text in fatal))
    warnings = [complaint.text for complaint in complaints]
    paths = python_files(folder)
    shipped = {option: copy.deepcopy(config.JupyterHub.get(option)) for option in _SHARED}
    for path in paths:
        _run(path, config)
    _keep(shipped, config)
    classes = _configurable_classes(config)
    for path in paths:
        warnings += _check(path, config, classes)
    for text in warnings:
        sys.stderr.write(f"gpudock: {text}\n")
    Record(digests(folder), warnings).write(record)


def _run(path: Path, config: Config) -> None:
    def load_subconfig(name: str, folder: str | None = None) -> None:
        _run((path.parent if folder is None else type(path)(folder)) / name, config)

    names = {
        "c": config,
        "get_config": lambda: config,
        "load_subconfig": load_subconfig,
        "__file__": str(path),
    }
    try:
        exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), names)  # noqa: S102
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and str(error).startswith("gpudock: "):
            raise  # of a file that this one loads
        raise SystemExit(f"gpudock: {_sentence(error, path)} {_AGAIN}") from error


def _keep(shipped: dict[str, Any], config: Config) -> None:
    """Put the lab's own parts back, in front of what the files have set instead.

    Without them the lab has no desk, no pages or no rights. Templates of the files come first, so
    that they are found; a part of the same name, or for the same address, is the file's.
    """
    for option, own in shipped.items():
        now = config.JupyterHub.get(option)
        if isinstance(own, dict) and isinstance(now, dict):
            config.JupyterHub[option] = own | now
        elif isinstance(own, list) and isinstance(now, list):
            taken = [_identity(part) for part in now]
            lost = [part for part in own if _identity(part) not in taken]
            if lost:
                config.JupyterHub[option] = now + lost if option == "template_paths" else lost + now


def _identity(part: Any) -> Any:
    """Return what a part of a list is known by: a name, a path, or an address."""
    if isinstance(part, dict):
        return part.get("name")
    return part[0] if isinstance(part, tuple) else part


def _sentence(error: BaseException, path: Path) -> str:
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    line = lines[-1] if lines else None
    details = " ".join(str(error).split()) or "no message"
    return f"{place(path, line)}: {type(error).__name__}: {details}."


def _configurable_classes(config: Config) -> list[type[Configurable]]:
    """Return the classes that the Hub will make from this configuration."""
    traits = JupyterHub.class_traits()
    found: list[type[Configurable]] = [JupyterHub, CryptKeeper]
    for name in _CHOSEN_CLASSES:
        chosen = config.JupyterHub.get(name, traits[name].default())
        try:
            found.append(traits[name].validate(HasTraits(), chosen))
        except TraitError:
            continue  # _check has the sentence, or the Hub
    return found


def _check(path: Path, config: Config, classes: list[type[Configurable]]) -> Iterator[str]:
    """Yield a sentence for each line that has no effect.

    Raises:
        SystemExit: a value is not of its option's type.
    """
    for section, option, line in _options(path):
        if section not in config or option not in config[section]:
            continue  # only read, or removed again
        owners = [cls for cls in classes if any(k.__name__ == section for k in cls.__mro__)]
        where = f"{place(path, line)}: c.{section}.{option}"
        if not owners:
            names = sorted({kind.__name__ for cls in classes for kind in _configurables(cls)})
            yield (
                f'{where} has no effect: the lab has no part "{section}".'
                f"{_suggestion(section, names)}"
            )
            continue
        options = {name: t for cls in owners for name, t in cls.class_traits(config=True).items()}
        if option not in options:
            yield f"{where} has no effect: there is no such option.{_suggestion(option, options)}"
            continue
        value = config[section][option]
        if not _fits(options[option], value):
            # A text or a list may have a secret, and this goes into the log.
            is_plain = value is None or isinstance(value, int | float)
            shown = repr(value) if is_plain else f"of the type {type(value).__name__}"
            raise SystemExit(
                f"gpudock: {where} must be {options[option].info()}, but is {shown}. {_AGAIN}"
            )


def _options(path: Path) -> Iterator[tuple[str, str, int]]:
    """Yield each ``c.Section.option`` of a file once, with its first line."""
    first: dict[tuple[str, str], int] = {}
    for node in ast.walk(ast.parse(path.read_bytes())):
        match node:
            case ast.Attribute(
                value=ast.Attribute(value=ast.Name(id="c"), attr=section), attr=option
            ) if section[:1].isupper():
                first[section, option] = min(node.lineno, first.get((section, option), node.lineno))
    for (section, option), line in first.items():
        yield section, option, line


def _configurables(cls: type) -> list[type]:
    return [kind for kind in cls.__mro__ if issubclass(kind, Configurable)]


def _suggestion(name: str, names: Any) -> str:
    similar = difflib.get_close_matches(name, list(names), n=1)
    return f' Did you mean "{similar[0]}"?' if similar else ""


def _fits(trait: Any, value: Any) -> bool:
    if isinstance(value, LazyConfigValue | DeferredConfig) or (value is None and trait.allow_none):
        return True
    try:
        trait.validate(HasTraits(), value)
    except TraitError:
        return False
    except (AttributeError, TypeError, ValueError):
        return True  # its validator needs the real object; the Hub will call it
    return True
