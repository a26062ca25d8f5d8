"""Limits of a container, as its files report them, and how a kernel ended."""

from __future__ import annotations

import json
import os
import signal
from types import SimpleNamespace

import pytest
from test_contract import misfits, sent
from tornado.httpclient import HTTPClientError

from jupyterlab_gpudock import contract
from jupyterlab_gpudock.kernel.ends import Counters, KernelEnds, cause_of
from jupyterlab_gpudock.kernel.limits import LimitReader

GIB = 1024**3
PROC_LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units
Max processes             unlimited            unlimited            processes
Max open files            1024                 524288               files
"""


def write(root, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def container(tmp_path):
    """The files of a container with limits, on a host with cgroup v2."""
    write(
        tmp_path,
        {
            "sys/fs/cgroup/cgroup.controllers": "cpu memory pids\n",
            "sys/fs/cgroup/memory.max": f"{32 * GIB}\n",
            "sys/fs/cgroup/memory.current": f"{30 * GIB}\n",
            "sys/fs/cgroup/memory.stat": f"anon 1\ninactive_file {4 * GIB}\n",
            "sys/fs/cgroup/memory.events": "low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\n",
            "sys/fs/cgroup/pids.max": "4096\n",
            "sys/fs/cgroup/pids.current": "120\n",
            "sys/fs/cgroup/pids.events": "max 5\n",
            "sys/fs/cgroup/cpu.max": "250000 100000\n",
            "proc/meminfo": "MemTotal: 134217728 kB\nMemAvailable: 33554432 kB\n",
            "proc/77/limits": PROC_LIMITS,
            "proc/77/fd/0": "",
            "proc/77/fd/1": "",
            "dev/shm/torch_1": "",
        },
    )
    return tmp_path


@pytest.fixture
def container_v1(tmp_path):
    """The same on a host with cgroup v1."""
    write(
        tmp_path,
        {
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{32 * GIB}\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{30 * GIB}\n",
            "sys/fs/cgroup/memory/memory.stat": f"total_inactive_file {4 * GIB}\n",
            "sys/fs/cgroup/memory/memory.oom_control": "oom_kill_disable 0\noom_kill 2\n",
            "sys/fs/cgroup/pids/pids.max": "4096\n",
            "sys/fs/cgroup/pids/pids.current": "120\n",
            "sys/fs/cgroup/pids/pids.events": "max 5\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "250000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
    )
    return tmp_path


def reader_of(root, environ=None) -> LimitReader:
    return LimitReader(root, environ or {}, shm=lambda _path: (8192.0, 6000.0))


def test_all_limits_of_a_container_are_read(container):
    limits = reader_of(container, {"OMP_NUM_THREADS": "2"}).read(77)
    assert limits == {
        "memory_mib": {"limit": 32768, "used": 26624},
        "memory_kills": 2,
        "host_memory_mib": {"limit": 131072, "used": 98304},
        "shm_mib": {"limit": 8192, "used": 6000},
        "open_files": {"limit": 1024, "used": 2},
        "processes": {"limit": 4096, "used": 120},
        "cpus": 2.5,
        "threads": 2,
    }
    assert misfits(sent(limits), contract.LimitsDocument) == []


def test_cgroup_v1_has_the_same_limits(container_v1):
    limits = reader_of(container_v1).read(77)
    assert limits["memory_mib"] == {"limit": 32768, "used": 26624}
    assert limits["memory_kills"] == 2
    assert limits["processes"] == {"limit": 4096, "used": 120}
    assert limits["cpus"] == 2.5


@pytest.mark.parametrize("environ", [{}, {"OMP_NUM_THREADS": "many"}, {"OMP_NUM_THREADS": "4,2"}])
def test_what_is_not_limited_or_cannot_be_read_is_none(tmp_path, environ):
    write(
        tmp_path,
        {
            "sys/fs/cgroup/cgroup.controllers": "",
            "sys/fs/cgroup/memory.max": "max\n",
            "sys/fs/cgroup/memory.current": "nonsense\n",
            "sys/fs/cgroup/pids.max": "max\n",
            "sys/fs/cgroup/cpu.max": "max 100000\n",
            "proc/77/limits": PROC_LIMITS.replace("1024  ", "unlimited"),
        },
    )

    def no_shm(_path):
        raise FileNotFoundError

    limits = LimitReader(tmp_path, environ, shm=no_shm).read(77)
    nothing = {"limit": None, "used": None}
    assert limits == {
        "memory_mib": nothing,
        "memory_kills": None,
        "host_memory_mib": nothing,
        "shm_mib": nothing,
        "open_files": nothing,
        "processes": nothing,
        "cpus": None,
        "threads": 4 if "," in environ.get("OMP_NUM_THREADS", "") else None,
    }
    assert misfits(sent(limits), contract.LimitsDocument) == []


def test_no_limit_of_cgroup_v1_is_a_number_that_no_host_has(container_v1):
    write(
        container_v1,
        {
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
        },
    )
    limits = reader_of(container_v1).read(77)
    assert limits["memory_mib"] == {"limit": None, "used": 26624}
    assert limits["cpus"] is None


def test_this_machines_limits_can_be_read():
    limits = LimitReader().read(os.getpid())
    assert limits["open_files"]["used"] > 0
    assert misfits(sent(limits), contract.LimitsDocument) == []


QUIET = Counters(memory_kills=4, memory_limit_hits=6, process_limit_hits=1)


def counted(**changes: int) -> Counters:
    return Counters(
        memory_kills=4 + changes.get("kills", 0),
        memory_limit_hits=6 + changes.get("hits", 0),
        process_limit_hits=1 + changes.get("forks", 0),
    )


@pytest.mark.parametrize(
    ("code", "now", "cause"),
    [
        (-signal.SIGKILL, counted(kills=1, hits=1), "memory"),
        (-signal.SIGKILL, counted(kills=1), "host_memory"),
        # Somebody typed "kill -9".
        (-signal.SIGKILL, QUIET, "signal"),
        (-signal.SIGBUS, QUIET, "shm"),
        (-signal.SIGSEGV, QUIET, "signal"),
        # A worker was killed before, and the kernel crashed of something else.
        (-signal.SIGSEGV, counted(kills=1, hits=1), "signal"),
        (-signal.SIGABRT, counted(forks=2), "processes"),
        (1, counted(forks=2), "processes"),
        (1, QUIET, "exit"),
        (0, counted(kills=1, hits=1), "exit"),
        (None, QUIET, "exit"),
    ],
)
def test_a_kernels_end_has_the_limit_that_was_reached(code, now, cause):
    assert cause_of(code, QUIET, now) == cause


@pytest.mark.parametrize(
    ("before", "now", "cause"),
    [
        # cgroup v1 counts no hits of the limit; the caller knows whether there is a limit.
        (Counters(0, None, None), Counters(1, None, None), "memory"),
        (Counters(None, None, None), Counters(None, None, None), "signal"),
    ],
)
def test_counters_that_a_host_does_not_have_prove_nothing(before, now, cause):
    assert cause_of(-signal.SIGKILL, before, now) == cause


async def start_kernel(jp_fetch) -> str:
    body = json.dumps({"name": "python3"})
    response = await jp_fetch("api", "kernels", method="POST", body=body)
    return json.loads(response.body)["id"]


async def ends(jp_fetch) -> list[dict]:
    document = json.loads((await jp_fetch("gpudock", "api", "ends")).body)
    assert misfits(document, contract.KernelEndsDocument) == []
    return document["ends"]


async def test_a_killed_kernel_of_a_real_server_has_an_end(jp_fetch, jp_serverapp, until):
    kernel_id = await start_kernel(jp_fetch)
    manager = jp_serverapp.kernel_manager.get_kernel(kernel_id)
    pid = manager.provisioner.pid
    assert await ends(jp_fetch) == []
    os.kill(pid, signal.SIGSEGV)
    await until(
        lambda: manager.provisioner.pid not in (pid, None) and manager.ready.done(),
        "the kernel is restarted",
        20,
    )
    (end,) = await ends(jp_fetch)
    assert (end["kernel_id"], end["cause"]) == (kernel_id, "signal")
    assert (end["signal"], end["exit_code"]) == ("SIGSEGV", None)
    limits = json.loads(
        (await jp_fetch("gpudock", "api", "limits", params={"kernel": kernel_id})).body
    )
    assert misfits(limits, contract.LimitsDocument) == []
    await jp_fetch("api", "kernels", kernel_id, method="DELETE")


async def test_a_kernel_that_its_user_ends_has_no_end_to_explain(jp_fetch, jp_serverapp):
    kernel_id = await start_kernel(jp_fetch)
    await jp_fetch("api", "kernels", kernel_id, "restart", method="POST", body="{}")
    await jp_fetch("api", "kernels", kernel_id, method="DELETE")
    assert await ends(jp_fetch) == []


async def test_limits_of_an_unknown_kernel_are_not_found(jp_fetch):
    with pytest.raises(HTTPClientError) as error:
        await jp_fetch("gpudock", "api", "limits", params={"kernel": "../1"})
    assert error.value.code == 404
    assert json.loads(error.value.response.body)["code"] == "no_kernel"


class Kernels:
    """A kernel manager with kernels that the test ends."""

    def __init__(self) -> None:
        self.callbacks: dict[tuple[str, str], list] = {}
        self.processes: dict[str, SimpleNamespace] = {}

    def add(self, kernel_id: str) -> None:
        self.processes[kernel_id] = SimpleNamespace(returncode=None)

    def __contains__(self, kernel_id: str) -> bool:
        return kernel_id in self.processes

    def get_kernel(self, kernel_id: str):
        provisioner = SimpleNamespace(process=self.processes[kernel_id])
        return SimpleNamespace(provisioner=provisioner)

    def add_restart_callback(self, kernel_id, callback, event="restart") -> None:
        self.callbacks.setdefault((kernel_id, event), []).append(callback)

    def end(self, kernel_id: str, code: int | None, event: str = "restart") -> None:
        self.processes[kernel_id].returncode = code
        for callback in self.callbacks[kernel_id, event]:
            callback()


@pytest.fixture
def kernels():
    return Kernels()


@pytest.fixture
def watch(kernels, container):
    now = iter(range(100, 200))
    return KernelEnds(kernels, reader_of(container), clock=lambda: float(next(now)))


async def began(watch, kernel_id: str, **changes: str) -> None:
    data = {"action": "start", "status": "success", "kernel_id": kernel_id} | changes
    await watch.on_action(None, "", data)


def events(*, oom: int, kills: int) -> dict[str, str]:
    return {"sys/fs/cgroup/memory.events": f"oom {oom}\noom_kill {kills}\n"}


async def test_each_end_is_compared_with_the_counters_of_the_start(kernels, watch, container):
    kernels.add("a")
    await began(watch, "a")
    write(container, events(oom=4, kills=3))
    kernels.end("a", -signal.SIGKILL)
    assert [end["cause"] for end in watch.document()["ends"]] == ["memory"]
    assert watch.document()["ends"][0]["limits"]["memory_mib"]["limit"] == 32768
    # The next end is another one.
    kernels.end("a", -signal.SIGKILL, "dead")
    assert [end["cause"] for end in watch.document()["ends"]] == ["signal"]


async def test_the_newest_end_of_each_kernel_is_kept_newest_first(kernels, watch):
    for kernel_id in ("a", "b"):
        kernels.add(kernel_id)
        await began(watch, kernel_id)
    for kernel_id, code in (("a", 1), ("b", 2), ("a", 3)):
        kernels.end(kernel_id, code)
    found = watch.document()["ends"]
    assert [(end["kernel_id"], end["exit_code"]) for end in found] == [("a", 3), ("b", 2)]


async def test_ends_do_not_grow_without_limit(kernels, watch):
    for number in range(90):
        kernels.add(str(number))
        await began(watch, str(number))
        kernels.end(str(number), 1)
    assert len(watch.document()["ends"]) == 64


async def test_actions_that_start_nothing_are_ignored(kernels, watch):
    await began(watch, "gone")
    kernels.add("a")
    await began(watch, "a", status="error")
    await began(watch, "a", action="interrupt")
    assert kernels.callbacks == {}
    await began(watch, "a")
    await began(watch, "a", action="interrupt", status="error")
    await began(watch, "a", action="restart")
    assert {name: len(added) for name, added in kernels.callbacks.items()} == {
        ("a", "restart"): 1,
        ("a", "dead"): 1,
    }


async def test_a_restart_by_its_user_starts_the_counters_again(kernels, watch, container):
    kernels.add("a")
    await began(watch, "a")
    write(container, events(oom=4, kills=3))
    await began(watch, "a", action="restart")
    kernels.end("a", -signal.SIGKILL)
    assert watch.document()["ends"][0]["cause"] == "signal"


async def test_a_process_whose_end_cannot_be_seen_is_reported_as_unknown(kernels, watch):
    kernels.processes["a"] = SimpleNamespace()
    await began(watch, "a")
    for callback in kernels.callbacks["a", "dead"]:
        callback()
    (end,) = watch.document()["ends"]
    assert (end["cause"], end["signal"], end["exit_code"]) == ("exit", None, None)
