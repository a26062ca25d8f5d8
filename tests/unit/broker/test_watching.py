"""A broker that only watches, as the command line's does."""

from __future__ import annotations

import pytest

from fakes.inventory import gpu
from gpudock.broker import Broker
from gpudock.inventory import StaticInventory
from gpudock.model import GPUState
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


def test_it_changes_nothing(store):
    with pytest.raises(AssertionError):
        Broker(store, StaticInventory([gpu(0)]), watching=True).set_gpu_state(
            gpu(0).uuid, "draining", "somebody"
        )
