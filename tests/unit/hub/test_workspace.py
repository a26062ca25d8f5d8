"""Workspaces, and who may have them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gpudock.engine.protocol import EngineRefused
from gpudock.hub.errors import StartError
from gpudock.hub.workspace import is_directory, prepare_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gpudock.engine.spec import ContainerSpec

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")


class Host:
    """An engine that runs the containers' scripts on directories of this machine."""

    def __init__(self) -> None:
        self.specs: dict[str, dict[str, Any]] = {}
        self.ran: list[str] = []
        self.outputs: dict[str, str] = {}

    async def create(self, spec: ContainerSpec) -> str:
        (mount,) = spec.config["HostConfig"]["Mounts"]
        if mount["BindOptions"]["CreateMountpoint"]:  # the tests' paths are directories
            os.makedirs(mount["Source"], exist_ok=True)  # noqa: PTH103  as Docker does
        self.specs[spec.name] = dict(spec.config)
        return spec.name

    async def start(self, container: str) -> None:
        self.ran.append(self.specs[container]["User"])

    async def wait(self, container: str) -> int:
        config = self.specs[container]
        (mount,) = config["HostConfig"]["Mounts"]
        shell, option, script = config["Entrypoint"]
        user, group = map(int, config["User"].split(":"))
        done = await asyncio.to_thread(
            subprocess.run,
            [shell, option, script.replace("/workspace", mount["Source"])],
            capture_output=True,
            text=True,
            check=False,
            user=user,
            group=group,
            extra_groups=[],
        )
        self.outputs[container] = done.stdout + done.stderr
        return done.returncode

    async def log_tail(self, container: str) -> str:
        return self.outputs[container]

    async def remove(self, container: str, *, force: bool = False) -> None:
        del self.specs[container]


class Answers(Host):
    """An engine whose containers end as the test says."""

    def __init__(self, *ends: tuple[int, str]) -> None:
        super().__init__()
        self.ends = list(ends)

    async def create(self, spec: ContainerSpec) -> str:
        self.specs[spec.name] = dict(spec.config)
        return spec.name

    async def wait(self, container: str) -> int:
        code, self.outputs[container] = self.ends.pop(0)
        return code


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory below one that everybody can enter, as on a host; pytest's are private."""
    with tempfile.TemporaryDirectory() as parent:
        Path(parent).chmod(0o755)
        yield Path(parent) / "ada"


async def prepare(engine: Host, directory: object, **options: bool) -> None:
    await prepare_workspace(engine, "lab", "image", str(directory), **options)
    assert engine.specs == {}


def owner(directory: Path) -> tuple[int, int]:
    found = directory.stat()
    return found.st_uid, found.st_gid


@as_root
async def test_a_new_directory_belongs_to_the_user_of_the_servers(directory):
    host = Host()
    await prepare(host, directory)
    assert owner(directory) == (1000, 1000)
    assert host.ran == ["1000:1000", "0:0"]
    # From then on a look is enough.
    await prepare(host, directory)
    assert host.ran[2:] == ["1000:1000"]


@as_root
async def test_the_root_of_an_empty_file_system_is_a_new_directory(directory):
    (directory / "lost+found").mkdir(parents=True)
    await prepare(Host(), directory)
    assert owner(directory) == (1000, 1000)


@as_root
@pytest.mark.parametrize("uid", [0, 1001])
async def test_a_directory_with_files_of_somebody_else_is_left_alone(directory, uid, caplog):
    directory.mkdir()
    (directory / "thesis.txt").write_text("theirs")
    os.chown(directory, uid, uid)
    with pytest.raises(StartError) as error:
        await prepare(Host(), directory)
    assert owner(directory) == (uid, uid)
    message = str(error.value)
    assert f"the user with the number {uid}, and servers run as 1000" in message
    assert f"'chown -R 1000:1000 {directory}'" in message
    # The administrator reads it in the hub's log.
    assert message in caplog.text


@as_root
async def test_a_new_directory_of_another_user_is_theirs(directory):
    directory.mkdir()
    os.chown(directory, 1001, 1001)
    with pytest.raises(StartError):
        await prepare(Host(), directory)
    assert owner(directory) == (1001, 1001)


@as_root
async def test_a_directory_that_others_may_write_to_is_fine(directory):
    directory.mkdir()
    os.chown(directory, 1001, 1000)
    directory.chmod(0o2770)
    host = Host()
    await prepare(host, directory)
    assert (owner(directory), host.ran) == ((1001, 1000), ["1000:1000"])


@as_root
async def test_an_own_directory_that_cannot_be_written_to_has_another_reason(directory):
    directory.mkdir()
    os.chown(directory, 1000, 1000)
    directory.chmod(0o500)
    with pytest.raises(StartError, match="although it belongs to the user 1000: it is read-only"):
        await prepare(Host(), directory)


async def test_an_image_with_a_user_of_its_own_starts_nevertheless():
    await prepare(Answers((3, ""), (3, "1001\n")), "/data/ada", own_user=True)


async def test_a_directory_that_cannot_be_created_is_the_engines_failure():
    answers = Answers((3, ""), (1, "chown: Operation not permitted\n"))
    with pytest.raises(EngineRefused, match=r"/data/ada could not be created.*not permitted"):
        await prepare(answers, "/data/ada")
    assert answers.specs == {}


async def test_the_containers_can_do_no_more_than_they_must():
    seen: list[dict[str, Any]] = []

    class Watching(Answers):
        async def start(self, container: str) -> None:
            seen.append(self.specs[container])

    await prepare(Watching((3, ""), (0, "")), "/data/ada")
    check, give = (config["HostConfig"] for config in seen)
    assert (check["CapAdd"], give["CapAdd"]) == ([], ["CHOWN"])
    for host_config in (check, give):
        assert host_config["CapDrop"] == ["ALL"]
        assert host_config["NetworkMode"] == "none"
        assert host_config["ReadonlyRootfs"]


async def test_a_volume_is_given_away_like_a_directory():
    seen: list[dict[str, Any]] = []

    class Watching(Answers):
        async def start(self, container: str) -> None:
            seen.append(self.specs[container]["HostConfig"]["Mounts"][0])

    with pytest.raises(StartError) as error:
        await prepare(Watching((3, ""), (3, "1001")), "files-ada")
    assert "the volume files-ada: it belongs to the user with the number 1001" in str(error.value)
    assert "-v files-ada:/workspace image -R 1000:1000 /workspace" in str(error.value)
    volume = {"Type": "volume", "Source": "files-ada", "Target": "/workspace"}
    assert seen == [{**volume, "VolumeOptions": {"NoCopy": True}}] * 2


def test_a_path_is_a_directory_and_a_name_a_volume():
    assert is_directory("/data/ada")
    assert not is_directory("gpudock-workspace-ada")
