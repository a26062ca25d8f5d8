"""A user's server starts without what it does not use, and can do all that it could before."""

import http.client
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

SERVER = Path("/usr/local/lib/gpudock/server")
PATIENCE_SECONDS = 60.0


def loaded_after(code):
    """What *code*, which ends with printing JSON, says about a fresh Python."""
    done = subprocess.run(
        [sys.executable, "-s", "-c", f"import sys; sys.path.insert(0, {str(SERVER)!r})\n{code}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


IMPORT_ALL = """
import json, start
start.bundle.use(start.BUNDLE)
start._import_server()
"""


def test_the_hubs_half_and_rarely_used_helpers_are_not_loaded():
    loaded = loaded_after(IMPORT_ALL + "print(json.dumps(sorted(sys.modules)))")
    unwanted = ("sqlalchemy", "alembic", "requests", "httpx", "IPython", "torch", "nbconvert")
    assert not [name for name in unwanted if name in loaded]
    assert "jupyterhub.singleuser.extension" in loaded
    assert "jupyterlab.labapp" in loaded


def test_what_was_left_out_is_there_when_it_is_used():
    found = loaded_after(
        IMPORT_ALL
        + """
import jupyterhub.scopes, jupyterhub.orm, jupyterlab.extensions, jsonschema
check = jsonschema.FormatChecker()
manager = jupyterlab.extensions.get_pypi_manager({}, {}, None)
print(json.dumps([
    jupyterhub.scopes.orm.User is jupyterhub.orm.User,
    jupyterhub.orm.User.__tablename__,
    jupyterhub.scopes.sa.inspect.__module__,
    type(manager).__module__,
    check.conforms("2026-01-01T00:00:00Z", "date-time"),
    check.conforms("yesterday", "date-time"),
    check.conforms("P1D", "duration"),
    check.conforms("a day", "duration"),
]))"""
    )
    assert found == [
        True,
        "users",
        "sqlalchemy.inspection",
        "jupyterlab.extensions.pypi",
        True,
        False,
        True,
        False,
    ]


def test_modules_come_from_the_bundle_unless_their_source_has_changed():
    found = loaded_after(
        """
import json, start, tempfile, pathlib, importlib
bundle = start.bundle
folder = pathlib.Path(tempfile.mkdtemp()); sys.path.insert(0, str(folder))
source = folder / "probe.py"; source.write_text("answer = 1")
import probe
bundle.write(folder / "b"); del sys.modules["probe"]
bundle.use(folder / "b")
said = []
spec = importlib.util.find_spec("probe"); said.append(type(spec.loader).__module__)
bundle.use(folder / "b")
source.write_text("answer = 2 + 40")
import probe
print(json.dumps([*said, probe.answer, probe.__file__ == str(source)]))"""
    )
    assert found == ["bundle", 42, True]


def test_the_bundle_holds_the_server():
    found = loaded_after(
        IMPORT_ALL
        + """
names = ("jupyterhub.singleuser.extension", "jupyter_server.serverapp", "jupyterlab.labapp")
print(json.dumps([type(sys.modules[name].__loader__).__module__ for name in names]))"""
    )
    assert found == ["bundle"] * 3


def test_kernels_inherit_the_highest_limit_of_open_files_and_a_fitting_number_of_threads():
    found = loaded_after(
        """
import inherited_limits as limits, json, os, resource
os.environ["OMP_NUM_THREADS"] = "3"
limits.raise_open_files()
limits.limit_threads()
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
print(json.dumps([soft == min(hard, 2**20), os.environ["OMP_NUM_THREADS"]]))"""
    )
    assert found == [True, "3"]


class FakeHub(http.server.BaseHTTPRequestHandler):
    """Knows one user, whose token is ``token``."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        user = {"kind": "user", "name": "ann", "admin": False, "groups": []}
        body = json.dumps({**user, "scopes": ["access:servers"], "version": "6.1.1"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-JupyterHub-Version", "6.1.1")
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_):
        """Log nothing."""


@contextmanager
def running_server(*command):
    """A user's server, as the Hub has it started; gives a function that asks it."""
    hub = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FakeHub)
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    with http.server.HTTPServer(("127.0.0.1", 0), FakeHub) as probe:
        port = probe.server_address[1]
    api = f"http://127.0.0.1:{hub.server_address[1]}/hub/api"
    environment = os.environ | {
        "JUPYTERHUB_API_TOKEN": "token",
        "JUPYTERHUB_API_URL": api,
        "JUPYTERHUB_ACTIVITY_URL": f"{api}/users/ann/activity",
        "JUPYTERHUB_BASE_URL": "/",
        "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-ann",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": '["access:servers"]',
        "JUPYTERHUB_OAUTH_CALLBACK_URL": "/user/ann/oauth_callback",
        "JUPYTERHUB_OAUTH_SCOPES": '["access:servers"]',
        "JUPYTERHUB_SERVICE_PREFIX": "/user/ann/",
        "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{port}/user/ann/",
        "JUPYTERHUB_USER": "ann",
    }
    with tempfile.NamedTemporaryFile() as output:
        log = Path(output.name)
        server = subprocess.Popen(command, env=environment, stdout=output, stderr=output)

        def ask(method, path, body=None):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
            headers = {"Authorization": "token token", "Content-Type": "application/json"}
            content = json.dumps(body) if body is not None else None
            connection.request(method, f"/user/ann/{path}", content, headers)
            answer = connection.getresponse()
            said = answer.read().decode()
            assert answer.status < 400, f"{path}: {answer.status} {said[:500]}\n{log.read_text()}"
            return said

        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while True:
                try:
                    ask("GET", "api")
                    break
                except OSError:
                    assert server.poll() is None, log.read_text()
                    assert time.monotonic() < deadline, log.read_text()
                    time.sleep(0.05)
            yield ask, log.read_text()
        finally:
            server.terminate()
            server.wait()
            hub.shutdown()


def test_lab_files_terminals_kernels_export_and_the_sidebar_work():
    with running_server(sys.executable, "-s", str(SERVER)) as (ask, log):
        assert "plain way" not in log
        assert "JupyterLab" in ask("GET", "lab")
        notebook = {
            "cells": [{"cell_type": "markdown", "metadata": {}, "source": "*hello*"}],
            "metadata": {},
            "nbformat": 4,
            "nbformat_minor": 4,
        }
        ask("PUT", "api/contents/probe.ipynb", {"type": "notebook", "content": notebook})
        try:
            assert "probe.ipynb" in ask("GET", "api/contents")
            assert "<em>hello</em>" in ask("GET", "nbconvert/html/probe.ipynb")
        finally:
            ask("DELETE", "api/contents/probe.ipynb")
        terminal = json.loads(ask("POST", "api/terminals", {}))["name"]
        ask("DELETE", f"api/terminals/{terminal}")
        kernel = json.loads(ask("POST", "api/kernels", {"name": "python3"}))["id"]
        assert kernel in ask("GET", "api/kernels")
        ask("DELETE", f"api/kernels/{kernel}")
        assert "jupyterlab-gpudock" in ask("GET", "lab/api/extensions")
        assert "gpus" in ask("GET", "gpudock/api/gpus")
        assert "@jupyterlab/apputils-extension" in ask("GET", "lab/api/settings")


def test_a_server_that_cannot_be_imported_so_starts_the_plain_way():
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "server"
        shutil.copytree(SERVER, copy)
        source = (copy / "start.py").read_text()
        (copy / "start.py").write_text(source.replace('"jupyterlab.labapp"', '"no_such_module"'))
        with running_server(sys.executable, "-s", str(copy)) as (ask, log):
            assert "without optimizations" in log
            assert "JupyterLab" in ask("GET", "lab")
