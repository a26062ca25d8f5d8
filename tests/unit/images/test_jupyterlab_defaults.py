"""What JupyterLab's settings are in our image until a user chooses something else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from jupyterlab_server.settings_utils import get_settings

if TYPE_CHECKING:
    from pathlib import Path

THEMES = "@jupyterlab/apputils-extension:themes"
SCHEMA = {
    "title": "Theme",
    "type": "object",
    "properties": {
        "theme": {"type": "string", "default": "JupyterLab Light"},
        "adaptive-theme": {"type": "boolean", "default": False},
    },
}


@pytest.fixture
def lab(tmp_path, monkeypatch, request):
    schema = tmp_path / "schemas" / "@jupyterlab" / "apputils-extension" / "themes.json"
    schema.parent.mkdir(parents=True)
    schema.write_text(json.dumps(SCHEMA))
    etc = request.config.rootpath / "images" / "pytorch-cuda" / "etc" / "jupyter"
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(etc))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "own"))
    return tmp_path


def themes(lab: Path) -> dict[str, object]:
    found, _ = get_settings(
        str(lab / "app"), str(lab / "schemas"), str(lab / "settings"), schema_name=THEMES
    )
    defaults = {name: item["default"] for name, item in found["schema"]["properties"].items()}
    return {**defaults, **found["settings"]}


def test_the_theme_follows_the_system(lab):
    assert themes(lab)["adaptive-theme"] is True


def test_a_users_own_choice_wins(lab):
    file = lab / "settings" / "@jupyterlab" / "apputils-extension" / "themes.jupyterlab-settings"
    file.parent.mkdir(parents=True)
    file.write_text('{"adaptive-theme": false, "theme": "JupyterLab Dark"}')
    found = themes(lab)
    assert (found["adaptive-theme"], found["theme"]) == (False, "JupyterLab Dark")
