"""A broker that only watches, as the command line's does."""

from __future__ import annotations

import time

import pytest

from doubles.inventory import gpu
from gpudock.broker import Broker
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
    (status,) = Broker(store, inventory, watching=True).gpus()
    assert (status.state, status.reason) == (GPUState.FREE, None)


def test_it_grants_nothing(store):
    watching = Broker(store, StaticInventory([gpu(0)]), watching=True)
    with pytest.raises(AssertionError):
        watching.submit(Request("r", "ada", "", 1, 1.0, "image"))


def test_what_administrators_change_is_left_to_the_hub_to_act_on(store):
    hub = Broker(store, StaticInventory([gpu(0)]))
    hub.reconcile(Observation(time.time()))
    desk = Broker(store, StaticInventory([gpu(0)]), watching=True)
    desk.set_gpu_state(gpu(0).uuid, "draining", "root")
    assert isinstance(hub.submit(Request("r", "ada", "", 1, 1.0, "image")), QueuePosition)
    desk.set_gpu_state(gpu(0).uuid, "active", "root")
    assert hub.live_lease("ada", "") is None
    hub.tick()
    assert hub.live_lease("ada", "") is not None
