"""A lab's database in a temporary folder, and the command line for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from doubles.inventory import gpu
from gpudock.broker import Broker
from gpudock.cli import main
from gpudock.inventory import StaticInventory
from gpudock.model import Observation
from gpudock.store import Store

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class CommandLine:
    """Runs ``gpudock`` and keeps its output."""

    capture: pytest.CaptureFixture[str]
    status: int = 0
    out: str = ""
    err: str = ""

    def __call__(self, *arguments: str) -> str:
        self.capture.readouterr()
        self.status = main(arguments)
        self.out, self.err = self.capture.readouterr()
        return self.out

    def json(self, *arguments: str) -> Any:
        return json.loads(self("--json", *arguments))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    url = f"sqlite:///{tmp_path / 'lab.sqlite'}"
    monkeypatch.setenv("GPUDOCK_DB_URL", url)
    monkeypatch.setenv("GPUDOCK_DOCKER_SOCKET", str(tmp_path / "no-engine.sock"))
    monkeypatch.chdir(tmp_path)
    store = Store(url)
    store.migrate()
    yield store
    store.close()


@pytest.fixture
def broker(store: Store) -> Broker:
    """The hub's broker with two free GPUs, after a reconciliation without containers."""
    broker = Broker(store, StaticInventory([gpu(0), gpu(1)]))
    broker.reconcile(Observation(started_at=store.clock()))
    return broker


@pytest.fixture
def gpudock(store: Store, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(capsys)
