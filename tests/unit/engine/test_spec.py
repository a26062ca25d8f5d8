"""The create request for a user's container, compared whole: no privilege slips in unnoticed."""

import dataclasses

import pytest

from gpudock.engine.spec import (
    THREAD_VARIABLES,
    ContainerContext,
    GPUDelivery,
    Limits,
    agent_config,
    container_config,
)
from gpudock.model import Lease

GPU_A = "GPU-11111111-2222-3333-4444-555555555555"
GPU_B = "GPU-66666666-7777-8888-9999-000000000000"

LEASE = Lease(
    id="a1b2c3d4e5f60718",
    user="alice",
    server="",
    image="gpudock/pytorch-cuda:v2.6",
    gpu_uuids=(GPU_A, GPU_B),
    granted_at=1000.0,
)
CONTEXT = ContainerContext(
    lab="gpudock",
    network="gpudock",
    workspace="gpudock-workspace-alice",
    command=["jupyterhub-singleuser", "--debug"],
    environment={"JUPYTERHUB_API_TOKEN": "secret"},
    delivery=GPUDelivery.CDI,
    limits=Limits(memory_mib=32768, cpus=2.5, pids=4096, shm_mib=8192),
)


def test_a_lease_becomes_this_whole_request():
    spec = container_config(LEASE, CONTEXT)
    assert spec.name == "gpudock-alice-a1b2c3d4e5f60718"
    assert spec.config == {
        "Image": "gpudock/pytorch-cuda:v2.6",
        "Hostname": "user-alice",
        "User": "1000:1000",
        "Cmd": ["jupyterhub-singleuser", "--debug"],
        "WorkingDir": "/workspace",
        "Env": [
            "CUDA_DEVICE_ORDER=PCI_BUS_ID",
            "GPUDOCK_LEASE=a1b2c3d4e5f60718",
            "JUPYTERHUB_API_TOKEN=secret",
            "NUMBA_NUM_THREADS=2",
            "NVIDIA_VISIBLE_DEVICES=void",
            "OMP_NUM_THREADS=2",
            "PYTHON_CPU_COUNT=2",
        ],
        "Labels": {
            "gpudock.lab": "gpudock",
            "gpudock.lease": "a1b2c3d4e5f60718",
            "gpudock.user": "alice",
            "gpudock.server": "",
            "gpudock.gpus": f"{GPU_A},{GPU_B}",
            "gpudock.slot": "1/1",
            "gpudock.groups": "[]",
            "gpudock.agent": "false",
        },
        "HostConfig": {
            "NetworkMode": "gpudock",
            "Mounts": [
                {"Type": "volume", "Source": "gpudock-workspace-alice", "Target": "/workspace"}
            ],
            "DeviceRequests": [
                {
                    "Driver": "cdi",
                    "DeviceIDs": [f"nvidia.com/gpu={GPU_A}", f"nvidia.com/gpu={GPU_B}"],
                }
            ],
            "Privileged": False,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges:true"],
            "PidsLimit": 4096,
            "OomScoreAdj": 500,
            "CpuShares": 512,
            "ShmSize": 8192 * 1024 * 1024,
            "IpcMode": "private",
            "Init": True,
            "RestartPolicy": {"Name": "no"},
            "AutoRemove": False,
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
            "Memory": 32768 * 1024 * 1024,
            "MemorySwap": 32768 * 1024 * 1024,
            "NanoCpus": 2_500_000_000,
        },
    }


def test_an_image_keeps_its_own_user_where_an_administrator_says_so():
    assert "User" not in container_config(LEASE, dataclasses.replace(CONTEXT, user=None)).config


@pytest.mark.parametrize("delivery", list(GPUDelivery))
def test_a_server_without_gpus_sees_none_whatever_the_environment_says(delivery):
    context = dataclasses.replace(
        CONTEXT, delivery=delivery, environment={"NVIDIA_VISIBLE_DEVICES": "all"}
    )
    spec = container_config(dataclasses.replace(LEASE, gpu_uuids=()), context)
    assert spec.config["HostConfig"]["DeviceRequests"] == []
    assert "Runtime" not in spec.config["HostConfig"]
    assert "NVIDIA_VISIBLE_DEVICES=void" in spec.config["Env"]
    assert "NVIDIA_VISIBLE_DEVICES=all" not in spec.config["Env"]
    assert not any(line.startswith("GPUDOCK_LEASE=") for line in spec.config["Env"])


def test_the_nvidia_runtime_gets_exactly_the_leased_uuids():
    context = dataclasses.replace(CONTEXT, delivery=GPUDelivery.NVIDIA_RUNTIME)
    config = container_config(LEASE, context).config
    assert config["HostConfig"]["Runtime"] == "nvidia"
    assert config["HostConfig"]["DeviceRequests"] == []
    assert f"NVIDIA_VISIBLE_DEVICES={GPU_A},{GPU_B}" in config["Env"]


def test_gpus_without_a_way_to_give_them_are_an_error_and_not_a_silent_cpu_server():
    context = dataclasses.replace(CONTEXT, delivery=GPUDelivery.NONE)
    with pytest.raises(ValueError, match="cannot give any"):
        container_config(LEASE, context)


def test_the_environment_cannot_claim_another_lease():
    context = dataclasses.replace(CONTEXT, environment={"GPUDOCK_LEASE": "other"})
    env = container_config(LEASE, context).config["Env"]
    assert [line for line in env if line.startswith("GPUDOCK_LEASE=")] == [
        "GPUDOCK_LEASE=a1b2c3d4e5f60718"
    ]


def test_a_directory_of_the_host_is_mounted_as_one():
    context = dataclasses.replace(CONTEXT, workspace="/data/alice")
    mounts = container_config(LEASE, context).config["HostConfig"]["Mounts"]
    assert mounts == [{"Type": "bind", "Source": "/data/alice", "Target": "/workspace"}]


def test_the_agent_sees_every_gpu_and_can_change_nothing():
    spec = agent_config("lab", "net", "gpudock/hub", 8089, "token", GPUDelivery.CDI, "server1")
    host_config = spec.config["HostConfig"]
    assert spec.name == "lab-agent"
    assert host_config["DeviceRequests"] == [{"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=all"]}]
    assert host_config["CapDrop"] == ["ALL"]
    assert host_config["ReadonlyRootfs"] is True
    assert "Mounts" not in host_config
    assert spec.config["User"] == "65534:65534"


def environment_of(**changes) -> dict[str, str]:
    config = container_config(LEASE, dataclasses.replace(CONTEXT, **changes)).config
    return dict(line.split("=", 1) for line in config["Env"])


@pytest.mark.parametrize(("cpus", "threads"), [(0.5, "1"), (1.0, "1"), (4.0, "4"), (2.9, "2")])
def test_libraries_start_as_many_threads_as_the_container_has_processors(cpus, threads):
    environment = environment_of(limits=Limits(cpus=cpus))
    assert {environment[name] for name in THREAD_VARIABLES} == {threads}


def test_cuda_numbers_gpus_as_the_pages_do():
    assert environment_of()["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    chosen = environment_of(environment={"CUDA_DEVICE_ORDER": "FASTEST_FIRST"})
    assert chosen["CUDA_DEVICE_ORDER"] == "FASTEST_FIRST"
    of_image = environment_of(image_variables=frozenset({"CUDA_DEVICE_ORDER"}))
    assert "CUDA_DEVICE_ORDER" not in of_image


def test_without_a_limit_of_processors_libraries_use_all():
    assert not THREAD_VARIABLES & environment_of(limits=Limits()).keys()


def test_a_number_of_threads_that_somebody_chose_wins():
    limits = Limits(cpus=4)
    chosen = environment_of(limits=limits, environment={"OMP_NUM_THREADS": "9"})
    assert chosen["OMP_NUM_THREADS"] == "9"
    # Docker adds the image's own variables only if the request has none of that name.
    of_image = environment_of(limits=limits, image_variables=frozenset({"OMP_NUM_THREADS"}))
    assert "OMP_NUM_THREADS" not in of_image
    assert of_image["PYTHON_CPU_COUNT"] == "4"


def test_processes_may_open_as_many_files_as_the_engine_is_known_to_allow():
    limits = Limits(open_files=20000)
    config = container_config(LEASE, dataclasses.replace(CONTEXT, limits=limits)).config
    assert config["HostConfig"]["Ulimits"] == [{"Name": "nofile", "Soft": 20000, "Hard": 20000}]
    # An engine starts no container whose limit is above its own.
    unknown = container_config(LEASE, CONTEXT).config
    assert "Ulimits" not in unknown["HostConfig"]
