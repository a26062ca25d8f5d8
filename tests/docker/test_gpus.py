"""Every user gets a GPU of their own, sees that one only, and keeps their files."""

from __future__ import annotations

import json

import pytest

from gpudock.engine.labels import LABEL_GPUS, LABEL_LAB, LABEL_LEASE, LABEL_SERVER, LABEL_USER
from harness.lab import PROJECT
from harness.waiting import wait_for

SEEN = """
import json, os, re
import pynvml
try:
    pynvml.nvmlInit()
    uuids = [pynvml.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetHandleByIndex(n))
             for n in range(pynvml.nvmlDeviceGetCount())]
except pynvml.NVMLError as error:
    uuids = []
nodes = [name for name in os.listdir("/dev") if re.fullmatch(r"nvidia[0-9]+", name)]
print(json.dumps({"uuids": uuids, "nodes": nodes}))
"""


@pytest.fixture
def lab(clean_lab):
    return clean_lab


def seen_in(lab, container):
    return json.loads(lab.run_in(container, "python3", "-c", SEEN))


def test_two_users_see_one_gpu_each_and_a_third_waits_for_the_first_to_stop(lab):
    ada, bob, cleo = (lab.client(name) for name in ("ada", "bob", "cleo"))
    ada.start_server()
    bob.start_server()
    uuids = {gpu.uuid for gpu in lab.simulator.gpus}
    given = {}
    for user in ("ada", "bob"):
        container = lab.server_of(user)
        seen = seen_in(lab, container)
        assert seen["uuids"] == [container.labels[LABEL_GPUS]]
        assert len(seen["nodes"]) == 1
        given[user] = seen
    assert {given[user]["uuids"][0] for user in given} == uuids
    assert given["ada"]["nodes"] != given["bob"]["nodes"]

    assert cleo.ask_for_server().status_code == 202
    page = cleo.follow()
    page.wait_for("You are number 1 of 1 in the queue.")
    assert len(lab.servers()) == 2
    ada.stop_server()
    assert page.result()["ready"], page.messages
    assert seen_in(lab, lab.server_of("cleo"))["uuids"] == given["ada"]["uuids"]


def test_a_server_without_a_gpu_sees_none_whatever_its_image_asks_for(lab):
    image = lab.docker.images.get("gpudock/pytorch-cuda:v2.6")
    asked = lab.docker.containers.create(image.id, environment={"NVIDIA_VISIBLE_DEVICES": "all"})
    greedy = asked.commit("gpudock/pytorch-cuda", "greedy")
    asked.remove()
    image.tag("gpudock/pytorch-cuda", "kept")
    greedy.tag("gpudock/pytorch-cuda", "v2.6")
    try:
        lab.client("ada").start_server(gpus=0)
        container = lab.server_of("ada")
        assert container.image.id == greedy.id
        assert seen_in(lab, container) == {"uuids": [], "nodes": []}
        assert container.labels[LABEL_GPUS] == ""
    finally:
        image.tag("gpudock/pytorch-cuda", "v2.6")
        lab.clean_up()
        lab.docker.images.remove("gpudock/pytorch-cuda:kept")
        lab.docker.images.remove("gpudock/pytorch-cuda:greedy")


def test_containers_are_hardened_and_limited(lab):
    lab.client("ada").start_server()
    container = lab.server_of("ada")
    status = dict(
        line.split(":\t", 1)
        for line in lab.run_in(container, "cat", "/proc/1/status").splitlines()
        if ":\t" in line
    )
    assert {status[name].strip() for name in ("CapEff", "CapPrm", "CapBnd")} == {"0" * 16}
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Uid"].split() == ["1000"] * 4
    pids = _control_group(lab, container, "pids.max", "pids/pids.max")
    memory = _control_group(lab, container, "memory.max", "memory/memory.limit_in_bytes")
    assert pids == "4096"
    host_bytes = lab.docker.info()["MemTotal"]
    assert 2**30 <= int(memory) <= host_bytes * 0.9
    shm = lab.run_in(container, "df", "--output=size", "--block-size=1M", "/dev/shm").split()[1]
    assert int(shm) == min(8192, int(memory) // 2**20 // 2)
    soft, hard = lab.run_in(container, "sh", "-c", "ulimit -Sn; ulimit -Hn").split()
    assert soft == hard
    assert int(soft) > 1024
    config = container.attrs["HostConfig"]
    assert config["RestartPolicy"]["Name"] == "no"
    assert not config["Privileged"]
    assert not [mount for mount in container.attrs["Mounts"] if "docker.sock" in mount["Source"]]


def _control_group(lab, container, unified, legacy):
    """Read a limit of a container; hosts have control groups of one kind or the other."""
    root = "/sys/fs/cgroup"
    command = f"cat {root}/{unified} 2>/dev/null || cat {root}/{legacy}"
    return lab.run_in(container, "sh", "-c", command).strip()


def test_a_workspace_outlives_the_container_and_is_nobody_elses(lab):
    ada = lab.client("ada")
    ada.start_server()
    lab.run_in(lab.server_of("ada"), "sh", "-c", "echo mine > /workspace/thesis.txt")
    first = lab.server_of("ada").id
    ada.stop_server()
    ada.start_server()
    assert lab.server_of("ada").id != first
    assert lab.run_in(lab.server_of("ada"), "cat", "/workspace/thesis.txt") == "mine\n"
    lab.client("bob").start_server()
    assert "thesis.txt" not in lab.run_in(lab.server_of("bob"), "ls", "/workspace")


def test_an_image_that_is_not_on_the_list_is_refused_and_not_even_looked_for(lab):
    message = lab.client("ada").refusal(image="debian:trixie-slim")
    assert 'The image "debian:trixie-slim" is not on this lab\'s list.' in message
    assert lab.servers(stopped=True) == []
    assert lab.leases() == {}


def test_a_faulty_gpu_is_quarantined_and_not_granted(lab):
    good, bad = lab.simulator.gpus
    lab.simulator.update(bad.uuid, fault="lost")
    wait_for(lambda: lab.standings()[bad.uuid] != "active", "the fault is seen", every=0.5)
    ada, bob = lab.client("ada"), lab.client("bob")
    ada.start_server()
    assert lab.server_of("ada").labels[LABEL_GPUS] == good.uuid
    assert bob.ask_for_server().status_code == 202
    bob.follow().wait_for("in the queue")
    # It may answer again: it comes back by an explicit act only.
    lab.simulator.update(bad.uuid, fault=None)
    lab.simulator.update(bad.uuid, utilization=1)
    assert lab.standings()[bad.uuid] != "active"
    assert [item.labels[LABEL_GPUS] for item in lab.servers()] == [good.uuid]
    wait_for(lambda: _served_after_return(lab), "the GPU is granted again", every=0.5)


def _served_after_return(lab):
    # What the hub has not read as healthy yet it quarantines again, and rightly so.
    lab.return_gpus_to_service()
    return len(lab.servers()) == 2


FORGED = {
    LABEL_LAB: PROJECT,
    LABEL_LEASE: "forged",
    LABEL_USER: "mallory",
    LABEL_SERVER: "",
    LABEL_GPUS: "",
}


@pytest.mark.parametrize("labels", [{}, FORGED], ids=["a stranger's", "with forged labels"])
def test_a_gpu_that_a_foreign_container_has_is_not_granted(lab, labels):
    taken, free = lab.simulator.gpus
    # The hub is not to see it before it runs: of one with its labels it would make short work.
    lab.kill_hub()
    stranger = _foreign(lab, labels, taken)
    try:
        lab.docker.api.start(stranger)
        lab.start_hub()
        wait_for(lambda: lab.standings()[taken.uuid] != "active", "it is seen", every=0.5)
        lab.client("ada").start_server()
        assert lab.server_of("ada").labels[LABEL_GPUS] == free.uuid
        bob = lab.client("bob")
        assert bob.ask_for_server().status_code == 202
        bob.follow().wait_for("in the queue")
        given = [item.labels[LABEL_GPUS] for item in lab.servers() if item.id != stranger]
        assert given == [free.uuid]
    finally:
        lab.docker.api.remove_container(stranger, force=True)


def test_a_container_with_forged_labels_that_has_not_run_is_removed(lab):
    taken, other = lab.simulator.gpus
    stranger = _foreign(lab, FORGED, taken)
    wait_for(
        lambda: stranger not in {item.id for item in lab.servers(stopped=True)},
        "it is removed",
        every=0.5,
    )
    for name in ("ada", "bob"):
        lab.client(name).start_server()
    given = {item.labels[LABEL_GPUS] for item in lab.servers()}
    assert given == {taken.uuid, other.uuid}


def _foreign(lab, labels, gpu):
    """Have somebody make a container by hand, with a GPU; return its id, before any start."""
    api = lab.docker.api
    cdi = {"Driver": "cdi", "DeviceIDs": [f"nvidia.com/gpu={gpu.index}"]}
    made = api.create_container(
        "gpudock/pytorch-cuda:v2.6",
        ["sleep", "infinity"],
        labels=labels,
        host_config=api.create_host_config(network_mode="none", device_requests=[cdi]),
    )
    return made["Id"]


def test_a_stopped_container_that_is_started_by_hand_is_stopped(lab):
    ada, bob = lab.client("ada"), lab.client("bob")
    ada.start_server()
    bob.start_server()
    container = lab.server_of("ada")
    (uuid,) = container.labels[LABEL_GPUS].split(",")
    # The engine gives a stopped container its old device back, no matter who has it by then.
    lab.kill_hub()
    container.stop(timeout=1)
    container.start()
    lab.start_hub()
    assert lab.leases()["ada"]["container"] == container.id
    assert lab.leases()["ada"]["gpus"] == [uuid]
    # But once its lease has ended, the GPU is not its own any more.
    lab.kill_hub()
    container.stop(timeout=1)
    lab.start_hub()
    wait_for(lambda: "ada" not in lab.leases(), "the lease ends", every=0.5)
    wait_for(
        lambda: container.id not in {item.id for item in lab.servers(stopped=True)},
        "the container is removed",
        every=0.5,
    )
