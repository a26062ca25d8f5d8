"""The packages stay apart: imports point one way."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "spawner" / "gpudock"


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """Run the linter on the copy of the project at *root*."""
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command as run; run()",
            "--no-cache",
        ],
        cwd=root,
        env={"PYTHONPATH": str(root / "spawner"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


FORBIDDEN = [
    ("model.py", "import gpudock.policy"),
    ("model.py", "import gpudock.config"),
    ("config/settings.py", "import gpudock.policy"),
    ("config/settings.py", "import jupyterhub"),
    ("config/shared_volume.py", "import tornado.web"),
    ("policy/scheduling/decide.py", "import logging"),
    ("policy/scheduling/decide.py", "import gpudock.store"),
    ("policy/quota/resolve.py", "import time"),
    ("policy/sessions.py", "import gpudock.config"),
    ("agent/nvml.py", "import gpudock.store"),
    ("agent/server.py", "import jupyterhub"),
    ("store/store.py", "import gpudock.broker"),
    ("store/store.py", "import tornado.web"),
    ("inventory/base.py", "import gpudock.store"),
    ("inventory/agent.py", "import docker"),
    ("engine/client.py", "import gpudock.broker"),
    ("engine/client.py", "import gpudock.store"),
    ("engine/protocol.py", "import docker"),
    ("hub_api/client.py", "import gpudock.store"),
    ("hub_api/client.py", "import jupyterhub"),
    ("broker/broker.py", "import docker"),
    ("broker/broker.py", "import gpudock.hub"),
    ("broker/broker.py", "import sqlalchemy"),
    ("broker/quotas.py", "import requests"),
    ("hub/workspace.py", "import docker"),
    ("hub/spawner.py", "import sqlalchemy"),
    ("hub/form.py", "import gpudock.desk"),
    ("hub/loops/orphans.py", "import pynvml"),
    ("desk/hub_client.py", "import docker"),
    ("desk/hub_client.py", "import sqlalchemy"),
    ("desk/api/gpus.py", "import pynvml"),
    ("desk/app.py", "import gpudock.hub"),
    ("doctor/host.py", "import docker"),
    ("doctor/lab.py", "import sqlalchemy"),
    ("cli/gpu.py", "import docker"),
    ("cli/gpu.py", "import sqlalchemy"),
    ("deploy/up.py", "import gpudock.broker"),
]


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the linter says of a copy of the project that breaks every rule."""
    copy = tmp_path_factory.mktemp("copy")
    shutil.copy(ROOT / ".importlinter", copy)
    package = shutil.copytree(
        PACKAGE, copy / "spawner" / "gpudock", ignore=shutil.ignore_patterns("__pycache__")
    )
    for module, line in FORBIDDEN:
        path = package / module
        path.write_text(f"{path.read_text()}\n{line}\n")
    (package / "novelty.py").write_text("")
    result = lint(copy)
    assert result.returncode == 1, result.stdout + result.stderr
    return result.stdout


def test_packages_import_only_what_they_may() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(("module", "line"), FORBIDDEN)
def test_a_forbidden_import_is_found(complaints: str, module: str, line: str) -> None:
    importer = f"gpudock.{module.removesuffix('.py').replace('/', '.')}"
    imported = line.removeprefix("import ").removesuffix(".web")
    assert f"{importer} -> {imported} (l." in complaints


def test_a_module_without_a_layer_is_found(complaints: str) -> None:
    assert "gpudock.novelty" in complaints


def test_every_contract_names_modules_that_exist() -> None:
    """A contract about a module that was renamed would hold for ever."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    for section in parser.sections():
        for key in ("source_modules", "forbidden_modules"):
            for name in parser.get(section, key, fallback="").split():
                if name.startswith("gpudock."):
                    path = PACKAGE / name.removeprefix("gpudock.").replace(".", "/")
                    assert path.is_dir() or path.with_suffix(".py").exists(), f"{section}: {name}"
