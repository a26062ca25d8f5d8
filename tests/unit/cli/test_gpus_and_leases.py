"""``gpudock gpu`` and ``gpudock lease``."""

from __future__ import annotations

import pytest

from doubles.inventory import gpu
from gpudock.cli import connection
from gpudock.inventory import StaticInventory
from gpudock.model import ForeignUse, Lease, Observation, Request
from gpudock.policy.gpu_health import AdminState


def lease(broker, user: str) -> Lease:
    granted = broker.requests.submit(Request(f"r-{user}", user, "", 1, 1.0, "image"))
    assert isinstance(granted, Lease)
    return granted


def test_all_gpus_are_listed_with_their_holders(gpudock, broker):
    held = lease(broker, "ada")
    lines = gpudock("gpu", "list").splitlines()
    assert lines[0].split() == ["INDEX", "UUID", "MODEL", "SLOTS", "STATE", "USER", "REASON"]
    assert len(lines) == 3
    (mine,) = (line for line in lines if held.gpu_uuids[0] in line)
    assert "ada" in mine


def test_the_list_can_be_json(gpudock, broker):
    assert {row["gpu"]["uuid"] for row in gpudock.json("gpu", "list")} == {
        gpu(0).uuid,
        gpu(1).uuid,
    }


def test_a_drain_is_audited_and_undone(gpudock, broker):
    assert "draining" in gpudock("gpu", "drain", gpu(0).uuid)
    assert gpudock.json("gpu", "list")[0]["state"] == "draining"
    gpudock("gpu", "return", gpu(0).uuid)
    assert gpudock.status == 0
    assert gpudock.json("gpu", "list")[0]["state"] != "draining"


@pytest.fixture
def seen(monkeypatch):
    """The command line sees the lab's GPUs."""

    async def inventory(_settings):
        return StaticInventory([gpu(0), gpu(1)])

    monkeypatch.setattr(connection, "_inventory", inventory)


@pytest.mark.usefixtures("seen")
def test_all_gpus_return_at_once(gpudock, broker, store):
    assert gpudock("gpu", "return", "--all") == "No GPU is quarantined or lost.\n"
    with store.transaction() as transaction:
        for number in range(2):
            transaction.gpus.set_admin_state(
                gpu(number).uuid, AdminState.QUARANTINED, "Something was wrong."
            )
    gpudock("gpu", "return", "--all")
    assert (gpudock.status, len(gpudock.out.splitlines())) == (0, 2)
    assert [row["state"] for row in gpudock.json("gpu", "list")] == ["free", "free"]


@pytest.mark.usefixtures("seen")
def test_what_cannot_return_is_named_with_the_reason(gpudock, broker, store):
    use = ForeignUse("Somebody has it.", "Somebody had it.")
    broker.reconcile(Observation(store.clock() + 1, foreign_use={gpu(0).uuid: use}))
    with store.transaction() as transaction:
        transaction.gpus.set_admin_state(gpu(1).uuid, AdminState.QUARANTINED, "It was broken.")
    assert gpudock("gpu", "return", "--all") == f"{gpu(1).uuid} is in service again: free.\n"
    assert gpudock.status == 1
    assert gpudock.err.splitlines()[-1] == (
        f"gpudock: {gpu(0).uuid} cannot return to service yet. Somebody has it."
    )


@pytest.mark.usefixtures("seen")
def test_a_gpu_that_is_gone_has_no_number_and_returns_never(gpudock, broker, store):
    with store.transaction() as transaction:
        transaction.gpus.save(gpu(7), 1.0)
        transaction.gpus.set_admin_state(gpu(7).uuid, AdminState.QUARANTINED, "It was broken.")
    (gone,) = (line for line in gpudock("gpu", "list").splitlines() if gpu(7).uuid in line)
    assert gone.split()[0] == "-"
    assert " lost " in gone
    assert gpudock("gpu", "return", gpu(7).uuid) == ""
    assert gpudock.status == 1
    assert "does not report it any more" in gpudock.err
    assert "removed from the list" in gpudock("gpu", "forget", gpu(7).uuid)


@pytest.mark.parametrize("arguments", [(), (gpu(0).uuid, "--all")])
def test_one_gpu_is_named_or_all_are_meant(gpudock, broker, arguments):
    with pytest.raises(SystemExit):
        gpudock("gpu", "return", *arguments)


def test_an_unknown_gpu_is_an_error_in_one_line(gpudock, broker):
    assert gpudock("gpu", "drain", "GPU-nonsense") == ""
    assert gpudock.status == 1
    assert gpudock.err.splitlines()[-1] == "gpudock: This lab has no GPU with that UUID."


def test_leases_are_listed(gpudock, broker):
    held = lease(broker, "ada")
    lines = gpudock("lease", "list").splitlines()
    assert lines[0].startswith("LEASE")
    assert held.id in lines[1]
    assert "ada" in lines[1]
    assert [row["user"] for row in gpudock.json("lease", "list")] == ["ada"]


def test_a_gpu_is_shared_on_demand(gpudock, broker):
    gpudock("gpu", "slots", gpu(0).uuid, "4")
    assert gpudock.out == f"{gpu(0).uuid} is shared by 4 sessions.\n"
    assert [row["slots"] for row in gpudock.json("gpu", "list")] == [4, 1]
    gpudock("gpu", "slots", gpu(0).uuid, "99")
    assert gpudock.status == 1
    assert [row["slots"] for row in gpudock.json("gpu", "list")] == [4, 1]


def test_a_gpu_that_is_gone_is_forgotten(gpudock, broker):
    gpudock("gpu", "forget", gpu(1).uuid)
    assert gpudock.status == 0
    assert [row["gpu"]["uuid"] for row in gpudock.json("gpu", "list")] == [gpu(0).uuid]
