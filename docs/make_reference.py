"""Write the pages that repeat what the sources say: settings, REST API, ``.env.example``.

``make docs`` runs it. A test fails while a page in git differs from what this would write.
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from gpudock.config.settings import SETTINGS

sys.path.append(str(Path(__file__).parent))
from rest_reference import rest

ROOT = Path(__file__).parents[1]

_SETTINGS_HEAD = """\
# Settings

Settings come from the environment, or from a file `.env` beside `docker-compose.yml`. The
environment takes precedence. The file [`.env.example`][example] lists all settings with their
defaults. After a change, run `make up` again.

Options that are not settings are [traits of the spawner](spawner.md).

[example]: https://github.com/gpudock/gpudock/blob/main/.env.example

| Setting | Default | What it does |
|---|---|---|
"""

_EXAMPLE_HEAD = """\
# Settings of the lab. Copy this file to .env and remove the "# " in front of the lines that
# you change. The environment takes precedence over this file.
"""


def settings() -> str:
    """Return the page of all settings."""
    rows = []
    for setting in SETTINGS:
        default = f"`{setting.default}`" if setting.default else "not set"
        rows.append(f"| `{setting.name}` | {default} | {setting.help} |\n")
    return _SETTINGS_HEAD + "".join(rows)


def example() -> str:
    """Return an environment file with every setting, commented out, and its default."""
    parts = [_EXAMPLE_HEAD]
    for setting in SETTINGS:
        parts.append("\n")
        parts.append(textwrap.indent(textwrap.fill(setting.help, 96), "# "))
        parts.append(f"\n# {setting.name}={setting.default}\n")
    return "".join(parts)


PAGES = {
    ROOT / ".env.example": example,
    ROOT / "docs" / "reference" / "settings.md": settings,
    ROOT / "docs" / "reference" / "rest.md": rest,
}
"""Each generated file, and the function that returns its text."""


if __name__ == "__main__":
    for path, write in PAGES.items():
        path.write_text(write())
