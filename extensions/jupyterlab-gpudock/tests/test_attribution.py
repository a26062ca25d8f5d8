"""Whose a process is: with the host's PIDs, in a container, and over real processes."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from samples import A100, HEALTHY

from gpudock_nvml.pids import HOST_PID_NAMESPACE
from jupyterlab_gpudock.nvml.attribution import Attribution
from jupyterlab_gpudock.nvml.procfs import Processes
from jupyterlab_gpudock.nvml.readings import Missing, Process

if TYPE_CHECKING:
    from pathlib import Path

KERNEL = {"kind": "kernel", "kernel_id": "k-1", "path": "train.ipynb"}
TERMINAL = {"kind": "terminal", "terminal": "1", "title": "1"}
SERVER = 100


class FakeProc:
    """A ``/proc`` in a folder."""

    def __init__(self, root: Path, namespace: str) -> None:
        self.root = root
        (root / "self" / "ns").mkdir(parents=True)
        (root / "self" / "ns" / "pid").symlink_to(namespace)

    def add(self, pid: int, parent: int, *, session: int = 1, name="python", cuda=False) -> None:
        place = self.root / str(pid)
        (place / "fd").mkdir(parents=True)
        fields = ["S", parent, pid, session, *["0"] * 15, 5000 + pid, "0"]
        (place / "stat").write_text(f"{pid} ({name}) {' '.join(map(str, fields))}\n")
        (place / "fd" / "0").symlink_to("/dev/null")
        (place / "fd" / "5").symlink_to("/dev/nvidia0")
        if cuda:
            (place / "fd" / "6").symlink_to("/dev/nvidia-uvm")


@pytest.fixture
def host(tmp_path):
    proc = FakeProc(tmp_path, HOST_PID_NAMESPACE)
    proc.add(SERVER, 1)
    return proc


@pytest.fixture
def container(tmp_path):
    proc = FakeProc(tmp_path, "pid:[4026532999]")
    proc.add(SERVER, 1)
    return proc


def attribution_of(proc: FakeProc, owners=None) -> Attribution:
    attribution = Attribution(Processes(proc.root), server_pid=SERVER)
    attribution.set_owners(owners or {})
    return attribution


def reading_of(*pids: int):
    processes = tuple(Process(pid, "compute", 900) for pid in pids)
    return dataclasses.replace(HEALTHY, gpus=(dataclasses.replace(A100, processes=processes),))


def found(attribution: Attribution, *pids: int) -> list[tuple]:
    (gpu,) = attribution.annotate(reading_of(*pids)).gpus
    return [(one.certainty, one.reason, one.owner) for one in gpu.processes]


def test_a_kernel_is_identified_by_its_pid(host):
    host.add(200, SERVER)
    assert found(attribution_of(host, {200: KERNEL}), 200) == [("certain", "same_pid", KERNEL)]


def test_what_a_terminal_started_is_the_terminals(host):
    host.add(300, SERVER, name="bash")
    host.add(301, 300, name="sh (x) y")
    host.add(302, 301, name="train.py")
    attribution = attribution_of(host, {300: TERMINAL})
    (gpu,) = attribution.annotate(reading_of(302)).gpus
    assert gpu.processes[0].owner == TERMINAL
    assert gpu.processes[0].name == "train.py"


def test_a_worker_that_outlived_its_parent_belongs_to_the_session_it_was_started_in(host):
    host.add(200, SERVER, session=200)
    host.add(210, 1, session=200)
    assert found(attribution_of(host, {200: KERNEL}), 210) == [("certain", "same_pid", KERNEL)]


def test_another_program_of_this_server_is_reported_as_such(host):
    host.add(400, SERVER)
    assert found(attribution_of(host), 400) == [("certain", "same_pid", {"kind": "server"})]


def test_somebody_elses_process_and_one_that_has_ended(host):
    host.add(500, 1, name="vllm")
    assert found(attribution_of(host), 500, 501) == [
        ("certain", "foreign", None),
        ("unknown", "vanished", None),
    ]


def test_in_a_container_the_only_candidate_is_the_probable_one(container):
    container.add(200, SERVER, cuda=True)
    container.add(201, SERVER)
    attribution = attribution_of(container, {200: KERNEL, 201: TERMINAL})
    assert found(attribution, 91234) == [("probable", "only_candidate", KERNEL)]


def test_in_a_container_an_equal_number_proves_nothing(container):
    container.add(200, SERVER)
    assert found(attribution_of(container, {200: KERNEL}), 200) == [("unknown", "hidden", None)]


@pytest.mark.parametrize(("candidates", "pids"), [((200, 201), (9,)), ((200,), (8, 9))])
def test_in_a_container_several_that_fit_are_said_to_be_several(container, candidates, pids):
    for pid in candidates:
        container.add(pid, SERVER, cuda=True)
    owners = {pid: {**KERNEL, "kernel_id": f"k-{pid}"} for pid in candidates}
    findings = found(attribution_of(container, owners), *pids)
    assert findings == [("unknown", "ambiguous", None)] * len(pids)


def test_in_a_container_a_cuda_process_that_is_nobodys_is_no_candidate(container):
    container.add(900, 1, cuda=True)
    assert found(attribution_of(container), 91234) == [("unknown", "hidden", None)]


def test_nobody_is_looked_at_while_nothing_runs(tmp_path):
    attribution = Attribution(Processes(tmp_path / "nothing"), server_pid=SERVER)
    assert attribution.annotate(HEALTHY) is HEALTHY
    assert attribution.annotate(reading_of()).gpus[0].processes == ()


def test_processes_that_nvml_does_not_list_stay_missing(host):
    gpu = dataclasses.replace(A100, processes=Missing.NOT_SUPPORTED)
    reading = dataclasses.replace(HEALTHY, gpus=(gpu,))
    assert attribution_of(host).annotate(reading).gpus[0].processes is Missing.NOT_SUPPORTED


@pytest.mark.parametrize("text", ["", "77", "77 (x", "77 (x) S 1", "77 (x) S a b c " + "z " * 30])
def test_a_proc_that_is_invalid_is_no_process(host, text):
    host.add(77, 1)
    (host.root / "77" / "stat").write_text(text)
    assert Processes(host.root).see(77) is None


def test_a_real_child_has_a_real_lineage():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        line = Processes().lineage(child.pid)
        assert [seen.pid for seen in line[:2]] == [child.pid, os.getpid()]
        assert line[0].name.startswith("python")
    finally:
        child.communicate(b"\n", timeout=20)
    assert Processes().lineage(child.pid) == []


def test_a_real_process_that_has_cudas_device_open_is_seen(tmp_path, monkeypatch):
    node = tmp_path / "nvidia-uvm"
    node.touch()
    monkeypatch.setattr("jupyterlab_gpudock.nvml.procfs._CUDA_NODE", node)
    assert not Processes().uses_cuda(os.getpid())
    with node.open():
        assert Processes().uses_cuda(os.getpid())
        assert os.getpid() in Processes().cuda_users()
