"""Kernels and terminals of a real server, as the owners of what runs on a GPU."""

from __future__ import annotations

import dataclasses
import json
import os
from types import SimpleNamespace

import pytest
from samples import A100, HEALTHY

from jupyterlab_gpudock.kernel.owners import RENEW_SECONDS, Owners
from jupyterlab_gpudock.nvml.procfs import Processes
from jupyterlab_gpudock.nvml.readings import Process

on_the_host = pytest.mark.skipif(
    not Processes().has_host_pids(), reason="in a container, PIDs are not the host's"
)


def run_on_gpu(reader, *pids: int) -> None:
    processes = tuple(Process(pid, "compute", 900) for pid in pids)
    gpu = dataclasses.replace(A100, processes=processes)
    reader.reading = dataclasses.replace(HEALTHY, gpus=(gpu,))


async def owners_on_gpu(jp_fetch) -> list:
    snapshot = json.loads((await jp_fetch("gpudock", "api", "gpus")).body)
    return [process["owner"] for process in snapshot["gpus"][0]["processes"]]


@on_the_host
async def test_a_notebooks_kernel_and_a_terminals_shell_are_named(jp_fetch, jp_serverapp, reader):
    session = json.loads(
        (
            await jp_fetch(
                "api",
                "sessions",
                method="POST",
                body=json.dumps(
                    {
                        "path": "deep/train.ipynb",
                        "name": "train.ipynb",
                        "type": "notebook",
                        "kernel": {"name": "python3"},
                    }
                ),
            )
        ).body
    )
    kernel_id = session["kernel"]["id"]
    manager = jp_serverapp.kernel_manager.get_kernel(kernel_id)
    terminal = json.loads((await jp_fetch("api", "terminals", method="POST", body="{}")).body)
    shell = jp_serverapp.web_app.settings["terminal_manager"].terminals[terminal["name"]]
    run_on_gpu(reader, manager.provisioner.pid, shell.ptyproc.pid)
    assert await owners_on_gpu(jp_fetch) == [
        {
            "kind": "kernel",
            "kernel_id": kernel_id,
            "kernel_name": "python3",
            "session_type": "notebook",
            "path": "deep/train.ipynb",
            "title": "train.ipynb",
        },
        {"kind": "terminal", "terminal": terminal["name"], "title": terminal["name"]},
    ]
    await jp_fetch("api", "sessions", session["id"], method="DELETE")
    await jp_fetch("api", "terminals", terminal["name"], method="DELETE")


class Managers:
    """The server's managers, and a kernel manager that fails."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.notified: list[dict] = []
        self.asked = 0

    def list_kernel_ids(self):
        self.asked += 1
        if self.error:
            raise self.error
        return ["k-1", "k-2"]

    def get_kernel(self, kernel_id):
        pid = 200 if kernel_id == "k-1" else None
        return SimpleNamespace(kernel_name="python3", provisioner=SimpleNamespace(pid=pid))

    def __contains__(self, kernel_id):
        return True

    async def list_sessions(self):
        return [{"kernel": None}]


async def test_the_list_is_renewed_every_other_second_and_a_failure_is_survived():
    managers, now = Managers(), 0.0
    owners = Owners(managers, managers, lambda: None, managers.notified.append, clock=lambda: now)
    await owners.renew()
    await owners.renew()
    assert managers.asked == 1
    assert managers.notified[-1] == {
        200: {"kind": "kernel", "kernel_id": "k-1", "kernel_name": "python3"}
    }
    now += RENEW_SECONDS
    managers.error = RuntimeError("kernels are out of reach")
    await owners.renew()
    assert managers.notified[-1] == {}
    now += RENEW_SECONDS
    managers.error = None
    await owners.renew()
    assert 200 in managers.notified[-1]


@on_the_host
async def test_a_process_of_the_server_itself_is_reported_as_such(jp_fetch, reader):
    run_on_gpu(reader, os.getpid())
    assert await owners_on_gpu(jp_fetch) == [{"kind": "server"}]
