"""The images of the lab."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def reference(name: str) -> str:
    """Return the image that docker-compose.yml builds from a folder."""
    compose = (ROOT / "docker-compose.yml").read_text()
    found = re.search(rf"image: (gpudock/{name}:\S+)", compose)
    assert found, f"docker-compose.yml builds no image from images/{name}"
    return found[1]
