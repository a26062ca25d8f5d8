"""The front end's types are those of the contract."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_types_of_the_front_end_are_up_to_date():
    generator = runpy.run_path(str(ROOT / "scripts" / "generate_types.py"))
    expected = generator["typescript"](generator["SOURCE"].read_text())
    assert generator["TARGET"].read_text() == expected, "run `make generate`"
