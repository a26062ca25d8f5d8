"""Simulated GPUs are installed into an engine's reach, kept, and taken away."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulator import (
    Gpu,
    Simulator,
    SimulatorError,
    Wave,
    install,
    uninstall,
)

needs_mknod = pytest.mark.skipif(os.geteuid() != 0, reason="device nodes need root")


def snapshot(*directories: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_ino)
        for directory in directories
        for path in directory.rglob("*")
        if not path.is_dir() and path.name != ".lock"
    }


@needs_mknod
def test_a_second_install_changes_nothing(tmp_path):
    prefix, specs = tmp_path / "gpus", tmp_path / "cdi"
    assert install(prefix, specs, 3, ["A100", "L4"]).changed
    before = snapshot(prefix, specs)
    assert not install(prefix, specs, 3, ["A100", "L4"]).changed
    assert snapshot(prefix, specs) == before


@needs_mknod
def test_another_number_keeps_the_uuids_of_those_that_stay(tmp_path):
    prefix, specs = tmp_path / "gpus", tmp_path / "cdi"
    four = install(prefix, specs, 4).simulator.gpus
    assert install(prefix, specs, 2).changed
    two = Simulator(prefix / "state").gpus
    assert two == four[:2]
    nodes = {path.name for path in (prefix / "dev").iterdir()}
    assert nodes == {
        "nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-caps",
    }  # fmt: skip


@needs_mknod
def test_the_specification_offers_gpus_and_slices_as_nvidia_ctk_does(tmp_path):
    prefix = tmp_path / "gpus"
    gpus = [Gpu.of_model("A100", slices=["1g.5gb"]), Gpu.of_model("L4", 1)]
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\n")
    done = install(prefix, tmp_path / "cdi", gpus, nvidia_smi=smi)
    specification = json.loads(done.specification.read_text())
    assert specification["kind"] == "nvidia.com/gpu"
    devices = {each["name"]: each["containerEdits"] for each in specification["devices"]}
    piece = gpus[0].slices[0]
    assert list(devices) == ["0", gpus[0].uuid, "0:0", piece.uuid, "1", gpus[1].uuid, "all"]

    def paths(name):
        return [node["path"] for node in devices[name]["deviceNodes"]]

    caps = [
        f"/dev/nvidia-caps/nvidia-cap{number}"
        for number in (piece.gpu_instance_capability, piece.compute_instance_capability)
    ]
    assert paths(gpus[1].uuid) == ["/dev/nvidia1"]
    assert paths(piece.uuid) == paths("0:0") == ["/dev/nvidia0", *caps]
    assert paths("all") == ["/dev/nvidia0", *caps, "/dev/nvidia1"]
    edits = specification["containerEdits"]
    assert edits["env"] == ["NVIDIA_VISIBLE_DEVICES=void"]
    for node in [*edits["deviceNodes"], *devices["all"]["deviceNodes"]]:
        assert Path(node["hostPath"]).is_char_device(), node
    for mount in edits["mounts"]:
        assert Path(mount["hostPath"]).exists()
        assert "ro" in mount["options"]
    targets = [mount["containerPath"] for mount in edits["mounts"]]
    assert targets[0].endswith("-linux-gnu/libnvidia-ml.so.1")
    assert targets[1:] == ["/run/gpudock-simulator", "/usr/bin/nvidia-smi"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nvidia.yaml", "---\ncdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices: []\n"),
        ("nvidia.yml", 'kind: "nvidia.com/gpu"\n'),
        ("nvidia.json", '{"cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": []}'),
    ],
)
def test_real_gpus_are_not_replaced_by_simulated_ones(tmp_path, name, text):
    (tmp_path / "cdi").mkdir()
    (tmp_path / "cdi" / name).write_text(text)
    with pytest.raises(SimulatorError, match=name):
        install(tmp_path / "gpus", tmp_path / "cdi", 1)
    assert not (tmp_path / "gpus").exists()


@needs_mknod
def test_other_simulated_gpus_are_neither_replaced_nor_removed(tmp_path):
    specs = tmp_path / "cdi"
    first = install(tmp_path / "one", specs, 1)
    before = first.specification.read_bytes()
    with pytest.raises(SimulatorError, match="uninstall those first"):
        install(tmp_path / "two", specs, 1)
    uninstall(tmp_path / "two", specs)
    assert first.specification.read_bytes() == before
    uninstall(tmp_path / "one", specs)
    assert install(tmp_path / "two", specs, 1).changed


@needs_mknod
def test_users_in_containers_can_read_the_state_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        done = install(tmp_path / "gpus", tmp_path / "cdi", 1)
        done.simulator.update(0, fan=3)
    finally:
        os.umask(before)
    assert done.simulator.directory.stat().st_mode & 0o777 == 0o755
    assert done.simulator.state_file.stat().st_mode & 0o777 == 0o644
    assert done.library.stat().st_mode & 0o777 == 0o644


def test_what_was_never_created_is_said_so(tmp_path):
    for attempt in (lambda s: s.gpus, lambda s: s.update(0, fan=3)):
        with pytest.raises(SimulatorError, match="no simulated GPUs at"):
            attempt(Simulator(tmp_path / "nowhere"))


@needs_mknod
def test_the_command_line_installs_changes_shows_and_removes(tmp_path):
    prefix, specs = tmp_path / "gpus", tmp_path / "cdi"
    (specs).mkdir()
    (specs / "other.json").write_text('{"kind": "vendor.com/nic"}')

    def run(command, *arguments):
        return subprocess.run(
            [sys.executable, "-m", "simulator", command, "--prefix", str(prefix), *arguments],
            cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
        )  # fmt: skip

    where = ["--cdi-dir", str(specs)]
    assert run("install", *where, "--gpus", "2", "--model", "H100").returncode == 0
    assert run("set", "1", "utilization=wave 5 95 10", "fault=lost").returncode == 0
    gpu = Simulator(prefix / "state").gpu(1)
    assert (gpu.utilization, gpu.fault) == (Wave(5, 95, 10), "lost")
    assert f"GPU 1: NVIDIA H100 80GB HBM3 (UUID: {gpu.uuid}), fault: lost" in run("show").stdout
    refused = run("set", "7", "utilization=3")
    assert refused.returncode == 1
    assert "no simulated GPU 7" in refused.stderr
    assert run("uninstall", *where).returncode == 0
    assert not prefix.exists()
    assert [path.name for path in specs.iterdir()] == ["other.json"]
    uninstall(prefix, specs)  # again: nothing to do
