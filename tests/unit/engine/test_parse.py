"""What the Docker Engine's answers mean."""

import pytest

from gpudock.engine.parse import delivery, from_inspect, from_list, is_observer, is_server, state
from gpudock.engine.spec import ContainerContext, GPUDelivery, container_config
from gpudock.model import ContainerState, Lease

UUID = "GPU-11111111-2222-3333-4444-555555555555"
NVIDIA = {"Runtimes": {"runc": {}, "nvidia": {}}}


def listing(*names):
    """Return what an engine answers whose CDI specification has these names."""
    devices = [{"Source": "cdi", "ID": f"nvidia.com/gpu={name}"} for name in names]
    return {"DiscoveredDevices": devices, "CDISpecDirs": ["/etc/cdi"]}


@pytest.mark.parametrize("word", ["running", "paused", "restarting", "removing", "invented-later"])
def test_whatever_may_hold_a_gpu_counts_as_running(word):
    assert state(word) is ContainerState.RUNNING


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (listing(UUID, "0", "all"), (GPUDelivery.CDI, True)),
        (listing(UUID, "all") | NVIDIA, (GPUDelivery.CDI, True)),
        (listing(f"MIG-{UUID}/1/0", "all"), (GPUDelivery.CDI, True)),
        # Numbers may change when the server boots.
        (listing("0", "1", "all") | NVIDIA, (GPUDelivery.NVIDIA_RUNTIME, False)),
        (listing("0", "gpu1", "mig2:0", "all"), (GPUDelivery.NONE, True)),
        (listing("all"), (GPUDelivery.NONE, True)),
        (NVIDIA, (GPUDelivery.NVIDIA_RUNTIME, False)),
        ({"DiscoveredDevices": [], "CDISpecDirs": ["/etc/cdi"]}, (GPUDelivery.NONE, True)),
        ({"CDISpecDirs": ["/etc/cdi"]}, (GPUDelivery.CDI, False)),
        ({"DiscoveredDevices": [{"ID": "vendor.com/net=0"}]}, (GPUDelivery.NONE, True)),
        ({}, (GPUDelivery.NONE, False)),
    ],
)
def test_the_engine_says_how_it_gives_gpus(info, expected):
    assert delivery(info) == expected


def test_a_listed_and_an_inspected_container_read_alike():
    labels = {
        "gpudock.lab": "lab",
        "gpudock.lease": "abc",
        "gpudock.user": "{0}",
        "gpudock.server": "",
        "gpudock.gpus": UUID,
    }
    listed = from_list(
        {
            "Id": "1f",
            "Names": ["/lab-x-abc"],
            "Image": "i",
            "State": "exited",
            "Status": "Exited (137) 3 minutes ago",
            "Labels": labels,
            "Created": 1735689600,
        }
    )
    inspected = from_inspect(
        {
            "Id": "1f",
            "Name": "/lab-x-abc",
            "Created": "2025-01-01T00:00:00Z",
            "State": {"Status": "exited", "ExitCode": 137},
            "Config": {"Image": "i", "Labels": labels},
        }
    )
    assert listed == inspected
    assert listed.gpu_uuids == (UUID,)
    assert listed.exit_code == 137


def test_another_labs_container_is_not_ours():
    assert not is_server({"gpudock.lab": "other", "gpudock.lease": "abc"}, "lab")
    assert not is_server(None, "lab")


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (None, (0, 1)),
        ("1/1", (0, 1)),
        ("2/4", (1, 4)),
        ("4/4", (3, 4)),
        ("", (0, 0)),
        ("0/4", (0, 0)),
        ("2/4 ", (0, 0)),
        ("-1/4", (0, 0)),
        ("x", (0, 0)),
        ("1/999999999", (0, 0)),
    ],
)
def test_a_container_tells_its_slot_or_nothing_that_could_be_taken_for_one(label, expected):
    labels = {} if label is None else {"gpudock.slot": label}
    found = from_list({"Id": "1f", "State": "running", "Labels": labels})
    assert (found.slot, found.slots) == expected


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (None, ()),
        ('["a", "b"]', ("a", "b")),
        ('["a", 1, null]', ("a",)),
        ('{"a": 1}', ()),
        ("[", ()),
        ("[" * 100_000, ()),
    ],
)
def test_a_container_tells_its_users_groups(label, expected):
    labels = {} if label is None else {"gpudock.groups": label}
    assert from_list({"Id": "1f", "State": "running", "Labels": labels}).groups == expected


def test_what_a_lease_is_labelled_with_is_read_back():
    lease = Lease(
        "abc", "ada", "", "image", (UUID,), 0.0, slot=1, slots=4, groups=("x,y", '"', "名")
    )
    context = ContainerContext("lab", "net", "work", (), {}, GPUDelivery.CDI)
    spec = container_config(lease, context)
    found = from_list({"Id": "1f", "State": "running", "Labels": spec.config["Labels"]})
    assert (found.slot, found.slots, found.groups) == (lease.slot, lease.slots, lease.groups)


@pytest.mark.parametrize(
    ("pattern", "name", "image", "expected"),
    [
        ("dcgm-exporter", "dcgm-exporter", "any", True),
        ("dcgm-exporter", "my-dcgm-exporter", "any", False),
        ("*exporter", "my-exporter", "any", True),
        ("nvidia/dcgm-exporter", "x", "nvidia/dcgm-exporter:4.1", True),
        ("nvidia/dcgm-exporter", "x", "nvidia/dcgm-exporter", True),
        ("nvidia/dcgm-exporter", "x", "docker.io/nvidia/dcgm-exporter:4.1@sha256:ab", True),
        ("docker.io/nvidia/dcgm-exporter", "x", "nvidia/dcgm-exporter", True),
        ("nvidia/dcgm-exporter:4.1", "x", "nvidia/dcgm-exporter:4.1", True),
        ("nvidia/dcgm-exporter:4.1", "x", "nvidia/dcgm-exporter:4.2", False),
        ("host:5000/dcgm", "x", "host:5000/dcgm:1", True),
        ("host", "x", "host:5000/dcgm", False),
        ("monitor", "x", "library/monitor:1", True),
        ("Exporter", "exporter", "any", False),
    ],
)
def test_an_observer_is_named_by_container_or_image(pattern, name, image, expected):
    listed = {"Names": [f"/{name}"], "Image": image, "Labels": None}
    assert is_observer(listed, [pattern]) is expected


def test_without_names_only_the_label_makes_an_observer():
    assert not is_observer({"Id": "a", "Image": "b"}, [])
    assert is_observer({"Id": "a", "Labels": {"gpudock.observer": "true"}}, [])
