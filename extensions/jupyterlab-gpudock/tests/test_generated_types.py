"""The front end's types are those of the contract."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_types_of_the_front_end_are_up_to_date():
    generator = runpy.run_path(str(ROOT / "scripts" / "generate_types.py"))
    expected = generator["typescript"](generator["SOURCE"].read_text())
    assert generator["TARGET"].read_text() == expected, "run `make generate`"


def test_the_texts_for_findings_are_up_to_date():
    generator = runpy.run_path(str(ROOT / "scripts" / "generate_types.py"))
    target = generator["FINDINGS_TARGET"]
    assert target.read_text() == generator["finding_texts"](), "run `make generate`"
