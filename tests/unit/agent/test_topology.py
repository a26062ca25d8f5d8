"""How GPUs are connected: from the driver to the hub."""

from __future__ import annotations

import json

import pytest

from gpudock.agent.document import DocumentError, Envelope, decode, encode
from gpudock.agent.reader import Reader
from gpudock.agent.report import Report
from gpudock.model import Link, LinkKind
from gpudock_nvml import failures
from gpudock_nvml.failures import Failure
from gpudock_nvml.values import SWITCH
from simulator import Gpu
from unit.agent.fake_client import Card, SteadyClient, uuid_of
from unit.agent.program import SimulatedHost, running_agent


def links_of(*cards):
    reader = Reader(SteadyClient(*cards), "node1", sees_all_processes=True)
    reader.read()
    return reader.read().links


def card(number, *peers, meets=()):
    return Card(
        uuid_of(number),
        bus_id=f"bus{number}",
        link_peers=list(peers),
        meets={uuid_of(other): level for other, level in meets},
    )


def link(one, other, kind, lanes=0):
    return Link(uuid_of(one), uuid_of(other), kind, lanes)


def test_nvlinks_between_two_gpus_are_counted():
    cards = card(1, "bus2", "bus2", None, "bus3"), card(2, "bus1", "bus1"), card(3, "bus1")
    assert links_of(*cards) == (
        link(1, 2, LinkKind.NVLINK, 2),
        link(1, 3, LinkKind.NVLINK, 1),
    )


def test_all_gpus_behind_switches_reach_each_other():
    cards = [card(number, *[SWITCH] * count) for number, count in [(1, 12), (2, 12), (3, 6)]]
    assert links_of(*cards) == (
        link(1, 2, LinkKind.NVLINK, 12),
        link(1, 3, LinkKind.NVLINK, 6),
        link(2, 3, LinkKind.NVLINK, 6),
    )


@pytest.mark.parametrize(
    ("level", "kind"),
    [
        (0, LinkKind.PCIE_SWITCH),
        (10, LinkKind.PCIE_SWITCH),
        (20, LinkKind.PCIE_SWITCH),
        (30, LinkKind.HOST_BRIDGE),
        (40, LinkKind.NUMA_NODE),
        (50, LinkKind.SYSTEM),
    ],
)
def test_without_nvlink_it_counts_where_the_ways_meet(level, kind):
    assert links_of(card(1, meets=[(2, level)]), card(2)) == (link(1, 2, kind),)


def test_what_the_driver_does_not_report_is_left_out_and_is_no_fault():
    ill = Failure(failures.UNKNOWN)
    one = card(1, ill, "bus9", "bus1", meets=[(2, ill)])
    reader = Reader(SteadyClient(one, card(2)), "node1", sees_all_processes=True)
    reader.read()
    report = reader.read()
    assert report.links == ()
    assert [reading.fault for reading in report.readings] == [None, None]


def test_the_first_reading_does_not_wait_for_the_links():
    client = SteadyClient(card(1, "bus2"), card(2, "bus1"))
    reader = Reader(client, "node1", sees_all_processes=True)
    assert len(reader.read().readings) == 2
    assert client.calls.count("link_active") == 0
    assert len(reader.read().links) == 1
    client.cards.pop()
    assert reader.read().links == (), "a GPU that is gone has no links"


def test_it_is_read_once_for_each_opening_of_the_library_and_when_gpus_come():
    client = SteadyClient(card(1), card(2))
    reader = Reader(client, "node1", sees_all_processes=True)
    for _ in range(5):
        reader.read()
    asked = client.calls.count("link_active")
    assert asked > 0
    client.cards.append(card(3))
    reader.read()
    reader.read()
    again = client.calls.count("link_active")
    assert again > asked
    reader.read()
    assert client.calls.count("link_active") == again
    reader.close()
    reader.read()
    reader.read()
    assert client.calls.count("link_active") > again


def document(**changes):
    links = (link(1, 2, LinkKind.NVLINK, 4), link(1, 3, LinkKind.SYSTEM))
    envelope = Envelope(Report("node1", 1.0, links=links), "c.1", "c", 1.0, 0.0)
    assert decode(encode(envelope)) == envelope
    return json.loads(encode(envelope)) | changes


def test_an_agent_that_does_not_know_of_links_is_understood():
    tree = document()
    del tree["links"]
    assert decode(json.dumps(tree).encode()).report.links == ()


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "telepathy"},
        {"one": uuid_of(2)},
        {"other": "GPU-2"},
        {"lanes": -1},
        {"lanes": True},
    ],
)
def test_a_link_that_is_wrong_is_rejected(change):
    tree = document()
    tree["links"][0] |= change
    with pytest.raises(DocumentError):
        decode(json.dumps(tree).encode())


def test_the_agent_reports_what_the_drivers_library_returns(tmp_path):
    gpus = [
        Gpu.of_model("A100", 0, nvlink_peers="1:4, 2:2", numa_node=0),
        Gpu.of_model("A100", 1, nvlink_peers="0:4", numa_node=0),
        Gpu.of_model("A100", 2, nvlink_peers="0:2", numa_node=1, pcie_switch=7),
        Gpu.of_model("A100", 3, numa_node=1, pcie_switch=7),
    ]
    with running_agent(SimulatedHost(tmp_path, gpus)) as agent:
        now = agent.wait_for(lambda now: now["links"], "the links")
    number = {gpu.uuid: index for index, gpu in enumerate(gpus)}
    found = {
        tuple(sorted((number[item["one"]], number[item["other"]]))): (item["kind"], item["lanes"])
        for item in now["links"]
    }
    assert found == {
        (0, 1): ("nvlink", 4),
        (0, 2): ("nvlink", 2),
        (0, 3): ("system", 0),
        (1, 2): ("system", 0),
        (1, 3): ("system", 0),
        (2, 3): ("pcie_switch", 0),
    }


def test_simulated_gpus_behind_a_switch_are_all_connected(tmp_path):
    gpus = [Gpu.of_model("H100", index, nvlink_peers="switch:18") for index in range(3)]
    with running_agent(SimulatedHost(tmp_path, gpus)) as agent:
        now = agent.wait_for(lambda now: now["links"], "the links")
    assert [(item["kind"], item["lanes"]) for item in now["links"]] == [("nvlink", 18)] * 3
