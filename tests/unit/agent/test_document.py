"""The inventory document keeps what it is given, and nothing wrong passes it."""

from __future__ import annotations

import copy
import json

import pytest

from gpudock.agent.document import DocumentError, Envelope, decode, encode
from gpudock.agent.report import Report
from gpudock.model import GPU, GPUProcess, GPUReading, Link, LinkKind, Telemetry
from unit.agent.fake_client import uuid_of

WHOLE = GPUReading(
    GPU(uuid_of(1), 0, "node1", "NVIDIA A100", 40960),
    Telemetry(
        7, 3, 41, 61.5, 400.0, (GPUProcess(5, 10, "python3"), GPUProcess(6, None, computes=False))
    ),
    minor=3,
)
SLICE = GPUReading(
    GPU(uuid_of(2, "MIG"), 0, "node1", "NVIDIA A100 MIG 1g.5gb", 4864, uuid_of(1), "1g.5gb"),
    fault="It is ill.",
    lost=True,
    fault_may_pass=True,
    minor=3,
    mig_number=0,
    simulated=True,
)
ENVELOPE = Envelope(
    Report(
        "node1",
        1000.5,
        (WHOLE, SLICE),
        frozenset({uuid_of(1)}),
        "550.54",
        "12.4",
        "A.",
        ("B.",),
        (Link(uuid_of(1), uuid_of(3), LinkKind.NVLINK, 4),),
    ),
    cursor="c.1",
    boot="c",
    clock=17.25,
    age=0.25,
)


def test_what_is_encoded_is_decoded_as_it_was():
    assert decode(encode(ENVELOPE)) == ENVELOPE


def test_an_agent_that_has_read_nothing_yet_can_say_so():
    envelope = Envelope(Report("node1", problem="Nothing read."), "c.0", "c", 1.0, None)
    assert decode(encode(envelope)) == envelope


def test_names_from_the_driver_cannot_break_the_document():
    named = GPUReading(WHOLE.gpu, Telemetry(processes=(GPUProcess(5, 1, "a\nb\x00" + "c" * 9999),)))
    envelope = Envelope(Report("node1", 1.0, (named,)), "c.1", "c", 1.0, 0.0)
    (process,) = decode(encode(envelope)).report.readings[0].telemetry.processes
    assert process.name.startswith("a\ufffdb\ufffdccc")
    assert len(process.name) == 1000


def test_fields_that_a_newer_agent_adds_do_no_harm():
    tree = json.loads(encode(ENVELOPE))
    tree["topology"] = tree["devices"][0]["nvlink"] = {"a": 1}
    assert decode(json.dumps(tree).encode()) == ENVELOPE


def test_an_older_agent_that_leaves_out_what_was_added_is_understood():
    tree = json.loads(encode(ENVELOPE))
    for device in tree["devices"]:
        for process in device["telemetry"]["processes"] or ():
            del process["computes"]
        for name in ("fault_may_pass", "minor", "mig_number", "simulated"):
            del device[name]
    whole, part = decode(json.dumps(tree).encode()).report.readings
    # What is not said is what is worse.
    assert all(process.computes for process in whole.telemetry.processes)
    assert (part.fault_may_pass, part.minor, part.mig_number) == (False, None, None)
    assert not part.simulated


def paths(tree, path=()):
    yield path
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from paths(value, (*path, key))


def at(tree, path):
    for key in path:
        tree = tree[key]
    return tree


# Agents of the first version do not know how GPUs are connected, and more.
MAY_BE_MISSING = {"links", "fault_may_pass", "minor", "mig_number", "simulated", "computes"}
ALL_PATHS = [p for p in paths(json.loads(encode(ENVELOPE))) if p]
HOSTILE = {
    "an object": {"a": 1},
    "an array": [[]],
    "a negative number": -1,
    "a huge number": 10**40,
    "a float where none is": 1.5e300,
    "a long text": "x" * 5000,
    "a control character": "a\x1b[31m",
    "half a surrogate pair": "\ud800",
}


@pytest.mark.parametrize("path", ALL_PATHS, ids=lambda p: ".".join(map(str, p)))
@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_value_in_any_place_is_rejected(path, what):
    tree = json.loads(encode(ENVELOPE))
    at(tree, path[:-1])[path[-1]] = copy.deepcopy(HOSTILE[what])
    with pytest.raises(DocumentError):
        decode(json.dumps(tree).encode())


@pytest.mark.parametrize(
    "path",
    [p for p in ALL_PATHS if isinstance(p[-1], str) and p[-1] not in MAY_BE_MISSING],
    ids=lambda p: ".".join(map(str, p)),
)
def test_a_field_that_is_missing_is_rejected(path):
    tree = json.loads(encode(ENVELOPE))
    del at(tree, path[:-1])[path[-1]]
    with pytest.raises(DocumentError, match=str(path[-1])):
        decode(json.dumps(tree).encode())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), 2),
        (("version",), True),
        (("devices", 0, "uuid"), "GPU-1"),
        (("devices", 0, "uuid"), uuid_of(2, "MIG")),
        (("devices", 0, "parent_uuid"), uuid_of(9)),
        (("devices", 1, "parent_uuid"), None),
        (("devices", 1, "parent_uuid"), "GPU-0"),
        (("devices", 0, "telemetry", "utilization_percent"), 101),
        (("devices", 0, "lost"), 0),
        (("age",), None),
        (("taken_at",), None),
        (("clock",), "1"),
    ],
)
def test_values_that_contradict_each_other_are_rejected(path, value):
    tree = json.loads(encode(ENVELOPE))
    at(tree, path[:-1])[path[-1]] = value
    with pytest.raises(DocumentError):
        decode(json.dumps(tree).encode())


def test_the_same_device_twice_is_rejected():
    tree = json.loads(encode(ENVELOPE))
    tree["devices"].append(tree["devices"][0] | {"uuid": uuid_of(1).upper().replace("GPU", "GPU")})
    with pytest.raises(DocumentError, match="same UUID"):
        decode(json.dumps(tree).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"<html></html>",
        b"null",
        b"[" * 100_000,
        b'{"version": NaN}',
        b'{"version": 1' + b"0" * 10_000 + b"}",
        encode(ENVELOPE)[:-1],
        encode(ENVELOPE).replace(b"17.25", b"1e999"),
        encode(ENVELOPE).replace(b"17.25", b"Infinity"),
    ],
    ids=range(10),
)
def test_what_is_no_json_document_is_rejected(body):
    with pytest.raises(DocumentError):
        decode(body)
