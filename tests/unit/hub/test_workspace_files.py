"""Workspaces that outlive their accounts are found, measured and deleted."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from doubles.docker import FakeDocker
from gpudock.engine.client import DockerEngine
from gpudock.engine.protocol import EngineRefused, EngineUnknown
from gpudock.hub.workspace_files import WorkspaceFiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpudock.engine.spec import ContainerSpec


class Host:
    """An engine that runs the containers' scripts on directories of this machine."""

    def __init__(self) -> None:
        self.specs: dict[str, dict[str, Any]] = {}
        self.outputs: dict[str, str] = {}
        self.writable: list[str] = []

    async def create(self, spec: ContainerSpec) -> str:
        (mount,) = spec.config["HostConfig"]["Mounts"]
        if not await asyncio.to_thread(Path(mount["Source"]).is_dir):
            raise EngineRefused("bind source path does not exist")
        if not mount.get("ReadOnly"):
            self.writable.append(mount["Source"])
        self.specs[spec.name] = dict(spec.config)
        return spec.name

    async def start(self, container: str) -> None:
        """Begin nothing; :meth:`wait` runs the script."""

    async def wait(self, container: str) -> int:
        config = self.specs[container]
        (mount,) = config["HostConfig"]["Mounts"]
        source = shlex.quote(mount["Source"])
        shell, option, script = config["Entrypoint"]
        done = await asyncio.to_thread(
            subprocess.run,
            [shell, option, script.replace("/workspace", source), *config["Cmd"]],
            capture_output=True,
            text=True,
            check=False,
        )
        self.outputs[container] = done.stdout + done.stderr
        return done.returncode

    async def log_tail(self, container: str, _lines: int = 20) -> str:
        return self.outputs[container]

    async def remove(self, container: str, *, force: bool = False) -> None:
        del self.specs[container]


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()
    yield host
    assert host.specs == {}


@pytest.fixture
def files(host: Host) -> WorkspaceFiles:
    return WorkspaceFiles(host, "lab", "image")  # type: ignore[arg-type]


async def test_directories_are_found_measured_and_deleted(files, host, tmp_path):
    ada, bob = tmp_path / "of users" / "ada", tmp_path / "of users" / "bob"
    (ada / "data").mkdir(parents=True)
    (ada / "data" / "thesis.txt").write_text("x" * 100_000)
    (ada / "link").symlink_to(tmp_path)
    wanted = [str(ada), str(bob), str(tmp_path / "nowhere" / "carl")]
    assert await files.existing(wanted) == {str(ada)}
    size = await files.size(str(ada))
    assert size is not None
    assert 100_000 <= size < 200_000
    assert host.writable == []
    await files.delete(str(bob))
    await files.delete(str(ada))
    assert not ada.exists()
    assert ada.parent.is_dir()


async def test_what_takes_too_long_to_count_has_no_size(files, host, monkeypatch, tmp_path):
    monkeypatch.setattr("gpudock.hub.workspace_files._SIZE_SECONDS", 0.01)
    monkeypatch.setattr("gpudock.hub.workspace_files._SIZE", "exec sleep 60")
    ended = asyncio.Event()
    run = host.wait

    async def wait(container: str) -> int:
        await ended.wait()
        return await run(container)

    monkeypatch.setattr(host, "wait", wait)
    assert await files.size(str(tmp_path)) is None


@pytest.mark.integration
async def test_volumes_are_found_measured_and_deleted(tmp_path):
    docker = FakeDocker(tmp_path)
    engine = DockerEngine(f"unix://{docker.socket}", "lab")
    files = WorkspaceFiles(engine, "lab", "lab/notebook:1")
    docker.volumes["workspace-ada"] = 2048 * 1024
    assert await files.existing(["workspace-ada", "workspace-bob"]) == {"workspace-ada"}
    assert await files.size("workspace-ada") == 2048 * 1024
    assert not docker.containers
    await files.delete("workspace-ada")
    await files.delete("workspace-ada")
    assert await files.existing(["workspace-ada"]) == set()
    docker.fail("volumes", 500, "cannot look")
    with pytest.raises(EngineUnknown):
        await files.existing(["workspace-ada"])
    engine.close()
    docker.close()
