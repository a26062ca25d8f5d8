"""``make doctor`` compares the devices itself where the lab cannot."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from doubles.inventory import uuid
from gpudock.doctor import __main__ as doctor
from gpudock.doctor.finding import ok, problem
from gpudock.doctor.host import Host

INFO = {"DiscoveredDevices": [{"ID": f"nvidia.com/gpu={uuid(0)}"}], "MemTotal": 64 << 30}
SMI = f"GPU 0: NVIDIA A100 (UUID: {uuid(0)})\nGPU 1: NVIDIA A100 (UUID: {uuid(1)})\n"


@pytest.fixture
def server(tmp_path, monkeypatch):
    version = tmp_path / "proc/driver/nvidia/version"
    version.parent.mkdir(parents=True)
    version.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  \n")
    engine = SimpleNamespace(
        call=lambda _verb, path: INFO if path == "/info" else [], data_root=tmp_path / "none"
    )
    settings = SimpleNamespace(
        docker_socket="/var/run/docker.sock",
        images=(),
        memory_for=lambda _memory, _gpus: 8192,
        shm_for=lambda _limit: 4096,
    )
    monkeypatch.setattr(doctor, "find_engine", lambda _socket: engine)
    host = Host(tmp_path, lambda command: SMI if command[-1] == "-L" else "")

    def devices_of(*lab):
        monkeypatch.setattr(doctor, "_lab", lambda *_: list(lab))
        findings = doctor._engine_and_lab(host, SimpleNamespace(settings=settings))
        return [finding.text for finding in findings if finding.about == "devices"]

    return devices_of


def test_a_server_whose_hub_does_not_run_is_compared_with_its_driver(server):
    (text,) = server(problem("lab", "The lab's hub is not running.", 'Run "make up".'))
    assert uuid(1) in text
    assert "not in the engine's CDI specification" in text


def test_a_hub_that_compares_them_has_the_last_word(server):
    assert server(ok("devices", "All agree.")) == ["All agree."]
