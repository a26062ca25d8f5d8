"""Labs to begin a test with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fakes.setting import Setting

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def lab(tmp_path: Path) -> Setting:
    """A lab whose engine nobody has looked at yet."""
    return Setting(f"sqlite:///{tmp_path}/gpudock.sqlite")


@pytest.fixture
def opened(lab: Setting) -> Setting:
    """A lab that grants."""
    lab.look()
    return lab
