"""What the package promises as a package."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
HEAVY = ("torch", "pynvml", "numpy", "psutil")


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PACKAGE,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )


def own_import_ms() -> float:
    """Milliseconds of CPU that loading the extension adds to a server that has loaded its own."""
    code = (
        "import time, jupyter_server.serverapp, jupyter_server.extension.application\n"
        "began = time.process_time()\n"
        "import jupyterlab_gpudock.app.extension\n"
        "print(1000 * (time.process_time() - began))"
    )
    return float(run_python("-c", code).stdout)


def test_loading_the_extension_costs_a_server_at_most_30_ms():
    own_import_ms()  # the first one compiles
    assert min(own_import_ms() for _ in range(3)) <= 30


def test_loading_the_extension_imports_nothing_heavy():
    code = (
        "import json, sys, jupyterlab_gpudock.app.extension; "
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    assert json.loads(run_python("-c", code).stdout) == []


def test_the_extension_needs_nothing_of_the_hub():
    for source in (PACKAGE / "jupyterlab_gpudock").rglob("*.py"):
        imports = re.findall(r"^\s*(?:from|import) (\w+)", source.read_text(), re.MULTILINE)
        assert "gpudock" not in imports, source.name


def test_the_lock_names_no_registry():
    lock = json.loads((PACKAGE / "package-lock.json").read_text())
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []


def test_the_server_finds_extension_and_front_end_by_itself():
    enabled = json.loads(
        (PACKAGE / "jupyter-config/jupyter_server_config.d/jupyterlab_gpudock.json").read_text()
    )
    assert enabled["ServerApp"]["jpserver_extensions"] == {"jupyterlab_gpudock": True}
    import jupyterlab_gpudock

    (point,) = jupyterlab_gpudock._jupyter_server_extension_points()
    assert point["app"].name == "jupyterlab_gpudock"
    (labextension,) = jupyterlab_gpudock._jupyter_labextension_paths()
    assert labextension["dest"] == json.loads((PACKAGE / "package.json").read_text())["name"]
