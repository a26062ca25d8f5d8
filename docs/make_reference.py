"""Writes the references of what can be configured and asked, from what the sources say.

``make docs`` runs it; a test fails when what it would write is not what is there.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gpudock.hub.accounts import GPUDockAuthenticator
from gpudock.hub.spawner import GPUDockerSpawner

sys.path.append(str(Path(__file__).parent))
from rest_reference import rest

if TYPE_CHECKING:
    from traitlets.config import Configurable

FOLDER = Path(__file__).parent / "reference"

_HEAD = """\
# Reference: options of the spawner and of the accounts

Most labs need none of these: the [settings](../../README.md#settings) cover what is usual. They
are set in a file of the directory `jupyterhub_config.d`, for example
`c.GPUDockerSpawner.launch_timeout = 600`. `GPUDockerSpawner` also has the options of
[JupyterHub's Spawner](https://jupyterhub.readthedocs.io/en/stable/reference/api/spawner.html);
of DockerSpawner's it uses `image`, `allowed_images`, `cmd`, `network_name`, `mem_limit` and
`cpu_limit`.
"""


def spawner() -> str:
    """Return the page of options."""
    parts = [_HEAD]
    for configurable in (GPUDockerSpawner, GPUDockAuthenticator):
        parts += _section(configurable)
    return "\n".join(parts)


def _section(configurable: type[Configurable]) -> list[str]:
    lines = [f"## {configurable.__name__}", ""]
    for name, trait in sorted(configurable.class_own_traits(config=True).items()):
        default = trait.default_value_repr()
        shown = "" if default in ("''", "[]", "traitlets.Undefined") else f", default `{default}`"
        lines += [f"### `{name}`", "", f"{type(trait).__name__}{shown}", ""]
        lines += [inspect.cleandoc(trait.help), ""]
    return lines


PAGES = {"spawner.md": spawner, "rest.md": rest}
"""Each page's file, and what writes it."""


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, write in PAGES.items():
        (FOLDER / name).write_text(write())
        sys.stdout.write(f"{FOLDER / name} written\n")
