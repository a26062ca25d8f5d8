"""``jupyterhub_config.py`` hands each setting to the part that it is for."""

from __future__ import annotations

import pytest
from tornado.httpserver import HTTPServer
from traitlets.config import Config

from gpudock.hub.runtime import Runtime


@pytest.fixture
def configured(monkeypatch, tmp_path, request):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Runtime, "install", lambda _runtime: None)
    monkeypatch.setattr(HTTPServer, "configure", lambda *_options, **_more: None)

    def load(**settings):
        for name, value in settings.items():
            monkeypatch.setenv(f"GPUDOCK_{name}", value)
        config = Config()
        path = request.config.rootpath / "jupyterhub_config.py"
        # Not in the repository's root, where a developer's own jupyterhub_config.d may be.
        names = {"get_config": lambda: config, "__file__": str(tmp_path / path.name)}
        exec(compile(path.read_text(), path, "exec"), names)
        return config

    return load


@pytest.mark.parametrize(("hours", "seconds"), [("2", 7200), ("24", 86400), ("none", None)])
def test_a_wait_without_limit_has_none(configured, hours, seconds):
    found = configured(QUEUE_TIMEOUT_HOURS=hours).GPUDockerSpawner.queue_timeout
    assert found == seconds
