"""A broker that only watches, as the command line's does."""

from __future__ import annotations

import time

import pytest

from doubles.inventory import gpu
from gpudock.broker import Broker, DeskBroker
from gpudock.inventory import StaticInventory
from gpudock.model import GPUState, Observation, QueuePosition, Request
from gpudock.store import Store


@pytest.fixture
def store(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'lab.sqlite'}")
    store.migrate()
    yield store
    store.close()


def test_it_shows_the_gpus_as_the_lab_has_them_without_a_look_of_its_own(store):
    inventory = StaticInventory([gpu(0)])
    Broker(store, inventory).tick()
    (status,) = DeskBroker(store, inventory).gpus.all()
    assert (status.state, status.reason) == (GPUState.FREE, None)


def test_it_grants_nothing(store):
    desk = DeskBroker(store, StaticInventory([gpu(0)]))
    with pytest.raises(AttributeError):
        desk.requests.submit(Request("r", "ada", "", 1, 1.0, "image"))
    for act in ("tick", "reconcile"):
        assert not hasattr(desk, act)
    for act in ("begin_container", "bind", "stop", "end"):
        assert not hasattr(desk.leases, act)
    for act in ("due", "expire"):
        assert not hasattr(desk.sessions, act)


def test_what_administrators_change_is_left_to_the_hub_to_act_on(store):
    hub = Broker(store, StaticInventory([gpu(0)]))
    hub.reconcile(Observation(time.time()))
    desk = DeskBroker(store, StaticInventory([gpu(0)]))
    desk.gpus.set_state(gpu(0).uuid, "draining", "root")
    assert isinstance(hub.requests.submit(Request("r", "ada", "", 1, 1.0, "image")), QueuePosition)
    desk.gpus.set_state(gpu(0).uuid, "active", "root")
    assert hub.leases.of_server("ada", "") is None
    hub.tick()
    assert hub.leases.of_server("ada", "") is not None
