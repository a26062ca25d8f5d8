"""Deactivated accounts are kept with who did it and when."""

from __future__ import annotations

import pytest

from gpudock.store import Deactivation, Store


@pytest.fixture
def store(tmp_path):
    store = Store(f"sqlite:///{tmp_path}/gpudock.sqlite")
    store.migrate()
    yield store
    store.close()


def test_an_account_is_deactivated_until_it_is_removed(store):
    with store.transaction() as transaction:
        assert transaction.deactivated.all() == {}
        transaction.deactivated.add("ada", "admin")
        transaction.deactivated.add("名前🦆", "admin")
        transaction.deactivated.add("ada", "bea")
        found = transaction.deactivated.all()
    assert found["ada"] == Deactivation(found["ada"].at, "bea")
    assert set(found) == {"ada", "名前🦆"}
    with store.transaction() as transaction:
        transaction.deactivated.remove("ada")
        transaction.deactivated.remove("nobody")
    with store.snapshot() as transaction:
        assert set(transaction.deactivated.all()) == {"名前🦆"}
