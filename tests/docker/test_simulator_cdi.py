"""A real engine hands simulated GPUs to containers, as it does with real ones through CDI."""

import io
import json
import os
import re
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from docker.types import DeviceRequest

from gpudock.deploy.engine import ensure_engine, stop_engine
from simulator import Gpu, Installation, SimulatorError, install
from simulator.nvidia_smi import fetch_nvidia_smi

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(os.geteuid() != 0, reason="an engine and device nodes need root"),
]

IMAGE = "nothing-but-libc"
START_S = 60
QUERY_LOOP = [
    "nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader", "--loop-ms=20",
]  # fmt: skip


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + START_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} took more than {START_S} s"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def nvidia_smi() -> Path:
    try:
        return fetch_nvidia_smi()
    except SimulatorError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def engine(tmp_path_factory) -> Iterator[docker.DockerClient]:
    """An engine of our own, with its own directory of CDI specifications.

    It has a bridge of its own too: an engine configured to have none deletes the one that the
    machine's engine works with.
    """
    socket = tmp_path_factory.mktemp("engine") / "docker.sock"
    ensure_engine(socket)
    client = docker.DockerClient(base_url=f"unix://{socket}")
    try:
        yield client
    finally:
        client.close()
        stop_engine(socket, purge=True)


def libraries_of(program: Path) -> list[Path]:
    """The shared libraries that the program was linked with, and the loader."""
    listed = subprocess.run(["ldd", str(program)], check=True, capture_output=True, text=True)
    return [Path(path) for path in re.findall(r"(/\S+)", listed.stdout)]


@pytest.fixture(scope="module")
def image(engine, nvidia_smi) -> str:
    """An image with what nvidia-smi is linked with and nothing else."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for library in libraries_of(nvidia_smi):
            tar.add(library.resolve(), arcname=str(library))
    engine.api.import_image_from_data(archive.getvalue(), repository=IMAGE, tag="test")
    return f"{IMAGE}:test"


@pytest.fixture(scope="module")
def installed(engine, nvidia_smi, tmp_path_factory) -> Installation:
    specs = Path(next(iter(engine.info()["CDISpecDirs"])))
    gpus = [
        Gpu.of_model("A100"),
        Gpu.of_model("RTX 4090", 1),
        Gpu.of_model("A100", 2, slices=["2g.10gb", "1g.5gb"]),
    ]
    return install(tmp_path_factory.mktemp("gpus"), specs, gpus, nvidia_smi=nvidia_smi)


@pytest.fixture
def container(engine, image, installed):
    """Starts a container that has these CDI devices, and does nothing."""
    started = []

    def start(*devices: str):
        names = [f"nvidia.com/gpu={device}" for device in devices]
        requests = [DeviceRequest(driver="cdi", device_ids=names)] if devices else []
        created = engine.containers.create(
            image, ["nvidia-smi", "-L"], device_requests=requests, network_mode="none",
            cap_drop=["ALL"], user="1000",
        )  # fmt: skip
        started.append(created)
        created.start()
        created.wait()
        return created.logs().decode()

    yield start
    for each in started:
        each.remove(force=True)


def uuids(output: str) -> list[str]:
    return re.findall(r"UUID: ([^)]+)\)", output)


def test_a_container_sees_the_one_gpu_that_it_was_given(container, installed):
    _, card, _ = installed.simulator.gpus
    assert uuids(container("1")) == [card.uuid]
    assert uuids(container(card.uuid)) == [card.uuid]


def test_two_gpus_are_numbered_anew(container, installed):
    first, card, _ = installed.simulator.gpus
    output = container(card.uuid, first.uuid)
    assert uuids(output) == [first.uuid, card.uuid]
    assert re.findall(r"^GPU (\d+)", output, re.M) == ["0", "1"]


def test_a_slice_comes_with_its_gpu_and_without_its_neighbour(container, installed):
    parted = installed.simulator.gpu(2)
    assert uuids(container("2:1")) == [parted.uuid, parted.slices[1].uuid]
    assert uuids(container(parted.slices[0].uuid)) == [parted.uuid, parted.slices[0].uuid]


def test_all_is_everything(container, installed):
    one, two, three = installed.simulator.gpus
    pieces = [piece.uuid for piece in three.slices]
    assert uuids(container("all")) == [one.uuid, two.uuid, three.uuid, *pieces]


def test_a_gpu_that_does_not_exist_is_refused_at_start(container):
    with pytest.raises(docker.errors.APIError, match="unresolvable CDI devices"):
        container("7")


def test_without_a_device_there_is_no_trace_of_gpus(container):
    with pytest.raises(docker.errors.APIError, match="nvidia-smi"):
        container()


def test_a_running_container_follows_the_state_and_cannot_change_it(engine, image, installed):
    gpu = installed.simulator.gpu(0)
    running = engine.containers.run(
        image, QUERY_LOOP,
        device_requests=[DeviceRequest(driver="cdi", device_ids=[f"nvidia.com/gpu={gpu.uuid}"])],
        network_mode="none", detach=True,
    )  # fmt: skip
    try:
        for utilization in (13, 77):
            installed.simulator.update(gpu.uuid, utilization=utilization)
            wanted = f"{utilization} %"
            wait_until(lambda wanted=wanted: wanted in running.logs().decode(), wanted)
        mounts = [Path(mount["containerPath"]) for mount in spec_mounts(installed)]
        options = mount_options(running)
        assert mounts
        assert all("ro" in options[str(path)] for path in mounts)
    finally:
        running.remove(force=True)


def spec_mounts(installed: Installation) -> list[dict]:
    return json.loads(installed.specification.read_text())["containerEdits"]["mounts"]


def mount_options(container) -> dict[str, list[str]]:
    """Each mount point in the container, with its options as the kernel has them."""
    container.reload()
    table = Path(f"/proc/{container.attrs['State']['Pid']}/mountinfo").read_text()
    return {line.split()[4]: line.split()[5].split(",") for line in table.splitlines()}
