"""Every command that the documentation shows exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from gpudock.cli.main import make_parser

ROOT = Path(__file__).parents[3]
_COMMAND = re.compile(r"^(?:docker compose exec hub )?gpudock (.+?)(?:\s+#.*)?$", re.M)
_BLOCK = re.compile(r"```console\n(.*?)```", re.S)


def shown() -> list[str]:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    blocks = [block for page in pages for block in _BLOCK.findall(page.read_text())]
    return sorted({command for block in blocks for command in _COMMAND.findall(block)})


def test_the_documentation_shows_commands():
    assert len(shown()) > 15


@pytest.mark.parametrize("command", shown())
def test_a_command_that_is_shown_can_be_given(command):
    words = shlex.split(command.split(" > ")[0])
    assert callable(make_parser().parse_args(words).run)
