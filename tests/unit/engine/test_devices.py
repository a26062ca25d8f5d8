"""A container's GPUs are found in whatever way they were asked for."""

from __future__ import annotations

import pytest

from gpudock.engine.devices import DEFAULT_RUNTIME, devices_of, nvidia_runtimes

UUID = "GPU-11111111-2222-3333-4444-555555555555"
MIG = "MIG-0929581a-2be6-5dec-bf34-0954c6c529a6"


def requested(*ids, **rest):
    """A container of ``docker run --gpus`` or ``--device nvidia.com/gpu=…``."""
    return {"HostConfig": {"DeviceRequests": [{"DeviceIDs": list(ids), **rest}]}}


def gpus(*ids, **rest):
    return requested(*ids, **{"Driver": "", "Count": 0, "Capabilities": [["gpu"]], **rest})


def with_runtime(visible, runtime="nvidia", *others):
    own = [] if visible is None else [f"NVIDIA_VISIBLE_DEVICES={visible}"]
    return {"HostConfig": {"Runtime": runtime}, "Config": {"Env": [*own, *others]}}


def host(**config):
    return {"HostConfig": config}


@pytest.mark.parametrize(
    ("document", "devices"),
    [
        # --device nvidia.com/gpu=…
        (requested("nvidia.com/gpu=0", Driver="cdi"), ("0",)),
        (requested("nvidia.com/gpu=2:0", Driver="cdi"), ("2:0",)),
        (
            requested("nvidia.com/gpu=mig2:0", "nvidia.com/gpu=gpu1", Driver="cdi"),
            ("mig2:0", "gpu1"),
        ),
        (requested(f"nvidia.com/gpu={MIG}", Driver="cdi"), (MIG,)),
        (requested("nvidia.com/gpu=all", Driver="cdi"), ("all",)),
        (requested("k8s.device-plugin.nvidia.com/gpu=1", Driver="cdi"), ("1",)),
        (requested("management.nvidia.com/gpu=all", Driver="cdi"), ("all",)),
        (requested("vendor.com/net=0", Driver="cdi"), ()),
        (requested("notnvidia.com/gpu=0", Driver="cdi"), ()),
        (host(Devices=[{"PathOnHost": "nvidia.com/gpu=0:1"}]), ("0:1",)),
        (host(Annotations={"cdi.k8s.io/a": "nvidia.com/gpu=0:1,nvidia.com/gpu=1"}), ("0:1", "1")),
        (host(Annotations={"nvidia.cdi.k8s.io/a": f"nvidia.com/gpu={UUID}"}), (UUID,)),
        (host(Annotations={"note": "nvidia.com/gpu=0"}), ()),
        # --gpus
        (gpus(Count=-1), ("all",)),
        (gpus(Count=2), ("all",)),
        (gpus(), ()),
        (gpus("0:0"), ("0:0",)),
        (gpus("0", "1"), ("0", "1")),
        (gpus("0,1"), ("0", "1")),
        (gpus(UUID), (UUID,)),
        (gpus(MIG), (MIG,)),
        (gpus("all"), ("all",)),
        (gpus("1", Driver="nvidia", Capabilities=None), ("1",)),
        (gpus("1", Capabilities=[["nvidia"]]), ("1",)),
        (gpus("1", Capabilities=[["compute", "utility"]]), ("1",)),
        (gpus("1", Driver="amd"), ()),
        (gpus("1", Driver="amd.cdi"), ()),
        (gpus("1", Driver="nvidia.cdi", Capabilities=None), ("1",)),
        (gpus(Driver="nvidia.runtime-hook", Count=-1, Capabilities=None), ("all",)),
        (gpus("nvidia.com/gpu=2:0"), ("2:0",)),
        (gpus("nvidia.com/gpu=2:0", Capabilities=[["cdi"]]), ("2:0",)),
        (requested("1", Driver="other", Capabilities=[["tpu"]]), ()),
        ({**gpus(), "Config": {"Env": ["NVIDIA_VISIBLE_DEVICES=all"]}}, ("all",)),
        # NVIDIA_VISIBLE_DEVICES
        (with_runtime("1,2"), ("1", "2")),
        (with_runtime(" 1 , 2 "), ("1", "2")),
        (with_runtime("all"), ("all",)),
        (with_runtime("ALL"), ("all",)),
        (with_runtime("2:0"), ("2:0",)),
        (with_runtime(UUID), (UUID,)),
        (with_runtime(MIG), (MIG,)),
        (with_runtime("nvidia.com/gpu=2:0"), ("2:0",)),
        (with_runtime("runtime.nvidia.com/gpu=all"), ("all",)),
        (with_runtime("void"), ()),
        (with_runtime("none"), ()),
        (with_runtime("None"), ()),
        (with_runtime(""), ()),
        (with_runtime(None), ()),
        (with_runtime("0", "nvidia-cdi"), ("0",)),
        (with_runtime("0", "nvidia-legacy"), ("0",)),
        (with_runtime("0", "/usr/bin/nvidia-container-runtime"), ("0",)),
        (with_runtime("all", "runc"), ()),
        (with_runtime("all", "io.containerd.runc.v2"), ()),
        (with_runtime(None, "nvidia", "CUDA_VERSION=9.0"), ("all",)),
        (with_runtime(None, "nvidia", "CUDA_VERSION=12", "NVIDIA_REQUIRE_CUDA=cuda>=12"), ()),
        (with_runtime(None, "nvidia", f"DOCKER_RESOURCE_GPU={UUID}"), (UUID,)),
        (with_runtime(None, "nvidia", "DOCKER_RESOURCE_SSD=disk1"), ()),
        (host(Runtime="nvidia", Binds=["/dev/null:/var/run/nvidia-container-devices/0"]), ("0",)),
        (
            host(
                Runtime="nvidia",
                Mounts=[
                    {
                        "Source": "/dev/null",
                        "Target": "/var/run/nvidia-container-devices/cdi/nvidia.com/gpu/1",
                    }
                ],
            ),
            ("1",),
        ),
        # Device nodes
        (host(Devices=[{"PathOnHost": "/dev/nvidia3"}]), ("/dev/nvidia3",)),
        (host(Devices=[{"PathOnHost": "/dev//nvidia3/"}]), ("/dev/nvidia3",)),
        (host(Devices=[{"PathOnHost": "/dev/char/195:3"}]), ("/dev/nvidia3",)),
        (host(Devices=[{"PathOnHost": "/dev"}]), ("all",)),
        (host(Devices=[{"PathOnHost": "/dev/dxg"}]), ("all",)),
        (host(Devices=[{"PathOnHost": "/dev/nvidiactl"}, {"PathOnHost": "/dev/nvidia-uvm"}]), ()),
        (host(Devices=[{"PathOnHost": "/dev/nvidia-caps/nvidia-cap3"}]), ("all",)),
        (host(Devices=[{"PathOnHost": "/dev/nvidia-caps"}]), ("all",)),
        (
            host(
                Devices=[
                    {"PathOnHost": "/dev/nvidia-caps/nvidia-cap3"},
                    {"PathOnHost": "/dev/nvidia0"},
                ]
            ),
            ("/dev/nvidia0",),
        ),
        (host(Devices=[{"PathOnHost": "/dev/sda"}]), ()),
        (host(Binds=["/dev/nvidia1:/dev/nvidia0"]), ("/dev/nvidia1",)),
        (host(Binds=["/dev:/dev", "/srv:/srv:ro"]), ()),
        (host(DeviceCgroupRules=["c 195:* rmw"]), ("all",)),
        (host(DeviceCgroupRules=["c 195:1 rw"]), ("/dev/nvidia1",)),
        (host(DeviceCgroupRules=["c *:* rwm"]), ("all",)),
        (host(DeviceCgroupRules=["a *:* rwm"]), ("all",)),
        (host(DeviceCgroupRules=["c 195:255 rw", "c 81:* rw", "b 195:0 rw"]), ()),
        (host(Privileged=True), ("all",)),
        (host(Privileged=True, Runtime="runc"), ("all",)),
        # Nothing
        ({}, ()),
        ({"HostConfig": None, "Config": None}, ()),
    ],
)
def test_a_gpu_is_seen_however_it_was_asked_for(document, devices):
    assert devices_of(document) == devices


RUNTIMES = {
    "runc": {"path": "runc"},
    "gpu": {"path": "/usr/bin/nvidia-container-runtime"},
    "shim": {
        "runtimeType": "io.containerd.runc.v2",
        "options": {"BinaryName": "/usr/bin/nvidia-container-runtime.cdi"},
    },
    "nvidia": {},
}


def test_a_runtime_is_known_by_its_name_or_by_its_program():
    assert nvidia_runtimes({"Runtimes": RUNTIMES}) == {"gpu", "shim", "nvidia"}
    assert nvidia_runtimes({}) == set()
    default = nvidia_runtimes({"Runtimes": RUNTIMES, "DefaultRuntime": "gpu"})
    assert DEFAULT_RUNTIME in default
    assert DEFAULT_RUNTIME not in nvidia_runtimes({"Runtimes": RUNTIMES, "DefaultRuntime": "runc"})
    hidden = {"Runtimes": {"runc": {"path": "/opt/nvidia-container-runtime"}}}
    assert nvidia_runtimes(hidden) == {"runc"}


@pytest.mark.parametrize("runtime", ["gpu", "shim", ""])
def test_what_the_runtime_gives_is_seen_whatever_it_is_called(runtime):
    runtimes = nvidia_runtimes({"Runtimes": RUNTIMES, "DefaultRuntime": "gpu"})
    assert devices_of(with_runtime("2:0", runtime), runtimes) == ("2:0",)
    assert devices_of(with_runtime("2:0", "runc"), runtimes) == ()
