"""JupyterLab as it is set up in the image."""

import importlib.util
import json
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path


def said(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    return done.stdout + done.stderr


def test_the_versions_are_those_that_the_hub_expects():
    assert metadata.version("jupyterhub").startswith("6.1.")
    assert metadata.version("jupyterlab").startswith("4.6.")


def test_the_packages_fit_together():
    assert "No broken requirements" in said(sys.executable, "-s", "-m", "pip", "check")


def test_the_sidebar_extension_is_on_in_front_and_in_the_server():
    assert "jupyterlab-gpudock" in said("jupyter", "labextension", "list")
    servers = said("jupyter", "server", "extension", "list")
    assert "jupyterlab_gpudock enabled" in servers.replace("\x1b[32m", "").replace("\x1b[0m", "")


def test_nobody_is_asked_about_news_from_the_internet():
    page = json.loads(Path("/etc/jupyter/labconfig/page_config.json").read_text())
    assert page["disabledExtensions"]["@jupyterlab/apputils-extension:announcements"]


def test_the_server_does_not_import_what_makes_its_start_slow():
    assert importlib.util.find_spec("rfc3987_syntax") is None
    loaded = said(
        sys.executable,
        "-s",
        "-c",
        "import sys, jupyterhub.singleuser.extension, jupyterlab.labapp, jupyterlab_gpudock\n"
        "print([name for name in ('torch', 'pandas', 'matplotlib') if name in sys.modules])",
    )
    assert loaded.strip() == "[]"


def test_every_module_is_compiled_so_that_no_start_has_to():
    missing = []
    for source in Path(sysconfig.get_path("purelib")).rglob("*.py"):
        if Path(importlib.util.cache_from_source(source)).exists():
            continue
        try:
            compile(source.read_bytes(), str(source), "exec")
        except (SyntaxError, ValueError):
            continue  # a template, or an example of bad code
        missing.append(str(source))
    assert not missing, missing[:5]
