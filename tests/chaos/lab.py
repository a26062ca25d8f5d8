"""The lab under chaos: its data is on a small disk of its own, and its clock can be set."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import docker.errors

from harness.lab import PROJECT, SOCKET, Lab
from harness.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker.models.containers import Container

PARTS = ("hub-1", "desk-1", "agent")
_CLOCK_IMAGE = "gpudock/hub:chaos"
# /dev/shm is the one folder that each of the parts may write to.
_CLOCK_FILE = "dev/shm/clock"
_DOCKERFILE = """\
FROM gpudock/hub:0.1.0
COPY clock.so /opt/chaos/
ENV LD_PRELOAD=/opt/chaos/clock.so
"""
_DISK_MIB = 96
_VOLUMES = ("shared-data", "hub-data")


class ChaosLab(Lab):
    """A lab whose disk can be filled and slowed down, and whose clock can be set.

    Attributes:
        offset: how far the clock of hub, desk and agent is ahead of the machine's, in seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.offset = 0
        self._disks: dict[Path, str] = {}

    @staticmethod
    def command(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run ``gpudock.deploy`` with the parts' clock and folders in it."""
        files = os.pathsep.join(("docker-compose.yml", "tests/chaos/compose.yml"))
        return Lab.command(
            *arguments, COMPOSE_FILE=files, GPUDOCK_AGENT_IMAGE=_CLOCK_IMAGE, **settings
        )

    @classmethod
    @contextlib.contextmanager
    def used(cls) -> Iterator[ChaosLab]:
        """Bring a lab up on small disks, and take it away with all of its data."""
        cls.start_engine()
        lab = cls()
        lab.down()
        lab.forget()
        lab.build_clock_image()
        try:
            lab.up()  # makes the volumes
            lab.down()
            lab.give_small_disks()
            lab.up()
            lab.wait_until_up()
            yield lab
        finally:
            lab.start_engine()
            lab.down()
            lab.stop_engine()
            lab.take_disks_away()
            lab.start_engine()
            lab.forget()

    # The clock.

    def build_clock_image(self) -> None:
        """Make the image of hub, desk and agent with a clock that can be set."""
        with tempfile.TemporaryDirectory() as folder:
            _run(
                *("gcc", "-shared", "-fPIC", "-O2", f'-DCLOCK_FILE="/{_CLOCK_FILE}"'),
                *("-o", f"{folder}/clock.so", str(Path(__file__).with_name("clock.c"))),
            )
            Path(folder, "Dockerfile").write_text(_DOCKERFILE)
            self.docker.images.build(path=folder, tag=_CLOCK_IMAGE, rm=True)

    def keep_clock(self) -> None:
        """Set the clock of each part that runs; one that has just started has the machine's."""
        for name in PARTS:
            with contextlib.suppress(docker.errors.APIError, OSError):
                pid = self.docker.containers.get(f"{PROJECT}-{name}").attrs["State"]["Pid"]
                if pid:
                    file = Path(f"/proc/{pid}/root/{_CLOCK_FILE}")
                    if not file.exists() or file.read_text() != f"{self.offset:+d}":
                        file.write_text(f"{self.offset:+d}")

    # The disk.

    def give_small_disks(self) -> None:
        """Put the data of hub and desk on small disks of their own, while the lab is down."""
        for volume in _VOLUMES:
            folder = self.folder(volume)
            image = self.paths.state / f"{volume}.disk"
            with image.open("wb") as file:
                file.truncate(_DISK_MIB * 1024 * 1024)
            _run("mkfs.ext4", "-q", "-F", str(image))
            device = _run("losetup", "--find", "--show", str(image)).strip()
            self._disks[folder] = device
            with tempfile.TemporaryDirectory() as mounted:
                _run("mount", device, mounted)
                _run("cp", "--archive", f"{folder}/.", mounted)
                _run("umount", mounted)
            # The engine that runs has a view of its own; one that is started later gets this one.
            _run("mount", device, str(folder))
            _run("nsenter", f"--mount=/proc/{self.engine_pid()}/ns/mnt", "sh", "-c",
                 f"mountpoint --quiet {folder} || mount {device} {folder}")  # fmt: skip

    def take_disks_away(self) -> None:
        """Undo :meth:`give_small_disks`, while no engine runs; the data is lost."""
        for folder, device in self._disks.items():
            if folder.is_mount():  # the engine's stop takes it away, too
                _run("umount", "--lazy", str(folder))
            _run("losetup", "--detach", device)
        for volume in _VOLUMES:
            (self.paths.state / f"{volume}.disk").unlink(missing_ok=True)
        self._disks.clear()

    @contextlib.contextmanager
    def full_disks(self) -> Iterator[None]:
        """Leave no room on the disks."""
        fillers = [folder / "filler" for folder in self._disks]
        try:
            for filler in fillers:
                with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                    while file.write(b"\0" * 4096):
                        pass
            yield
        finally:
            for filler in fillers:
                filler.unlink(missing_ok=True)

    @contextlib.contextmanager
    def slow_disks(self, writes_per_second: int) -> Iterator[None]:
        """Limit how many writes per second the disks of hub and desk take."""
        groups = [
            group
            for part in ("hub-1", "desk-1")
            if (group := _disk_group(self.docker.containers.get(f"{PROJECT}-{part}"))) is not None
        ]
        devices = [
            f"{os.major(number)}:{os.minor(number)}"
            for number in (Path(device).stat().st_rdev for device in self._disks.values())
        ]

        def limit(writes: int) -> None:
            for group in groups:
                for device in devices:
                    # The container may have ended meanwhile, and its group with it.
                    with contextlib.suppress(OSError):
                        group.write_text(f"{device} {writes}")

        limit(writes_per_second)
        try:
            yield
        finally:
            limit(0)

    # The engine.

    @classmethod
    def stop_engine(cls, *, keep_containers: bool = False) -> None:
        """Stop the engine, and with it all containers unless they are kept."""
        options = ["--keep-containers"] if keep_containers else []
        done = cls.command("engine", "--socket", str(SOCKET), "--stop", *options)
        assert done.returncode == 0, done.stdout

    @classmethod
    def start_engine(cls) -> None:
        """Start the engine."""
        done = cls.command("engine", "--socket", str(SOCKET))
        assert done.returncode == 0, done.stdout

    def kill_engine(self) -> None:
        """End the engine as a crash does; containers go on."""
        pid = self.engine_pid()
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the engine is gone")

    def kill_host(self) -> None:
        """End the engine and all containers, as when the power fails."""
        states = [
            container.attrs["State"]
            for container in self.docker.containers.list(ignore_removed=True)
        ]
        # One that has just ended has the process id 0, which stands for this very program's group.
        pids = [state["Pid"] for state in states if state["Pid"] > 0]
        self.kill_engine()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        # No process, bridge or rule of a firewall survives that either.
        namespace = str(self.paths.namespace)
        for pid in _run("ip", "netns", "pids", namespace).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        _run("ip", "netns", "delete", namespace)


def _disk_group(container: Container) -> Path | None:
    """Return the file that limits a container's writes, where the machine has one."""
    pid = container.attrs["State"]["Pid"]
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        file = Path(f"/sys/fs/cgroup/blkio{path}/blkio.throttle.write_iops_device")
        if controllers == "blkio" and file.exists():
            return file
    return None


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout
