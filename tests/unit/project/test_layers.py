"""The packages stay apart: imports point one way."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = {
    "gpudock": Path("spawner/gpudock"),
    "gpudock_nvml": Path("spawner/gpudock_nvml"),
    "jupyterlab_gpudock": Path("extensions/jupyterlab-gpudock/jupyterlab_gpudock"),
}


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
        env={
            "PYTHONPATH": f"{root / 'spawner'}:{root / 'extensions/jupyterlab-gpudock'}",
            "PATH": "/usr/bin:/bin",
        },
        capture_output=True,
        text=True,
        check=False,
    )


FORBIDDEN = [
    ("gpudock/model.py", "import gpudock.policy"),
    ("gpudock/model.py", "import gpudock.config"),
    ("gpudock/config/settings.py", "import gpudock.policy"),
    ("gpudock/config/settings.py", "import jupyterhub"),
    ("gpudock/config/shared_volume.py", "import tornado.web"),
    ("gpudock/policy/scheduling/decide.py", "import logging"),
    ("gpudock/policy/scheduling/decide.py", "import gpudock.store"),
    ("gpudock/policy/quota/resolve.py", "import time"),
    ("gpudock/policy/sessions.py", "import gpudock.config"),
    ("gpudock/agent/reader.py", "import gpudock.store"),
    ("gpudock/agent/reader.py", "import pynvml"),
    ("gpudock/agent/server.py", "import jupyterhub"),
    ("gpudock/store/store.py", "import gpudock.broker"),
    ("gpudock/store/store.py", "import tornado.web"),
    ("gpudock/inventory/base.py", "import gpudock.store"),
    ("gpudock/inventory/agent.py", "import docker"),
    ("gpudock/engine/client.py", "import gpudock.broker"),
    ("gpudock/engine/client.py", "import gpudock.store"),
    ("gpudock/engine/protocol.py", "import docker"),
    ("gpudock/hub_api/client.py", "import gpudock.store"),
    ("gpudock/hub_api/client.py", "import jupyterhub"),
    ("gpudock/broker/broker.py", "import docker"),
    ("gpudock/broker/broker.py", "import gpudock.hub"),
    ("gpudock/broker/broker.py", "import sqlalchemy"),
    ("gpudock/broker/quotas.py", "import requests"),
    ("gpudock/hub/workspace.py", "import docker"),
    ("gpudock/hub/spawner.py", "import sqlalchemy"),
    ("gpudock/hub/form.py", "import gpudock.desk"),
    ("gpudock/hub/loops/orphans.py", "import pynvml"),
    ("gpudock/desk/hub_client.py", "import docker"),
    ("gpudock/desk/hub_client.py", "import sqlalchemy"),
    ("gpudock/desk/api/gpus.py", "import pynvml"),
    ("gpudock/desk/app.py", "import gpudock.hub"),
    ("gpudock/doctor/host.py", "import docker"),
    ("gpudock/doctor/lab.py", "import sqlalchemy"),
    ("gpudock/cli/gpu.py", "import docker"),
    ("gpudock/cli/gpu.py", "import sqlalchemy"),
    ("gpudock/deploy/up.py", "import gpudock.broker"),
    ("gpudock/inventory/agent.py", "import gpudock_nvml.failures"),
    ("gpudock/desk/api/gpus.py", "import jupyterlab_gpudock.contract"),
    ("gpudock_nvml/values.py", "import pynvml"),
    ("gpudock_nvml/client.py", "import gpudock.model"),
    ("gpudock_nvml/mig.py", "import jupyterlab_gpudock.contract"),
    ("jupyterlab_gpudock/nvml/reader.py", "import pynvml"),
    ("jupyterlab_gpudock/nvml/readings.py", "import jupyterlab_gpudock.stream.interval"),
    ("jupyterlab_gpudock/stream/sampler.py", "import gpudock_nvml.values"),
    ("jupyterlab_gpudock/kernel/stack.py", "import jupyterlab_gpudock.handlers.base"),
    ("jupyterlab_gpudock/checks/runner.py", "import tornado.web"),
    ("jupyterlab_gpudock/lease/lease.py", "import jupyterlab_gpudock.checks.runner"),
    ("jupyterlab_gpudock/contract.py", "import gpudock.model"),
]


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the linter says of a copy of the project that breaks every rule."""
    copy = tmp_path_factory.mktemp("copy")
    shutil.copy(ROOT / ".importlinter", copy)
    for folder in PACKAGES.values():
        shutil.copytree(
            ROOT / folder,
            copy / folder,
            ignore=shutil.ignore_patterns("__pycache__", "labextension"),
        )
        (copy / folder / "novelty.py").write_text("")
    for module, line in FORBIDDEN:
        package, _, rest = module.partition("/")
        path = copy / PACKAGES[package] / rest
        path.write_text(f"{path.read_text()}\n{line}\n")
    result = lint(copy)
    assert result.returncode == 1, result.stdout + result.stderr
    return result.stdout


def test_packages_import_only_what_they_may() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(("module", "line"), FORBIDDEN)
def test_a_forbidden_import_is_found(complaints: str, module: str, line: str) -> None:
    importer = module.removesuffix(".py").replace("/", ".")
    imported = line.removeprefix("import ").removesuffix(".web")
    assert f"{importer} -> {imported} (l." in complaints


@pytest.mark.parametrize("package", ["gpudock", "jupyterlab_gpudock"])
def test_a_module_without_a_layer_is_found(complaints: str, package: str) -> None:
    assert f"- {package}.novelty" in complaints


def test_every_contract_names_modules_that_exist() -> None:
    """A contract about a module that was renamed would always hold."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    for section in parser.sections():
        for key in ("source_modules", "forbidden_modules"):
            for name in parser.get(section, key, fallback="").split():
                package, _, rest = name.partition(".")
                if package in PACKAGES:
                    path = ROOT / PACKAGES[package] / rest.replace(".", "/")
                    assert path.is_dir() or path.with_suffix(".py").exists(), f"{section}: {name}"
