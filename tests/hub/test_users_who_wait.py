"""Users who are renamed or removed while they wait for a GPU."""

from __future__ import annotations

import pytest

from harness.waiting import wait_for


@pytest.fixture
def waiting(hub):
    """Nora waits for a GPU, and Olga behind her."""
    for name in ("ada", "bob"):
        hub.client(name).start_server()
    for name in ("nora", "olga"):
        assert hub.client(name).ask_for_server().status_code == 202
        wait_for(lambda name=name: name in hub.queue(), f"{name} waits")


def test_whoever_is_renamed_leaves_the_queue_and_gets_no_gpu_that_would_be_nobodys(hub, waiting):
    page = hub.client("nora").follow()
    page.wait_for("in the queue")
    hub.rename_user("nora", "norma")
    wait_for(lambda: hub.queue() == ["olga"], "the request of the former name ends")
    hub.client("ada").stop_server()
    wait_for(lambda: sorted(hub.leases()) == ["bob", "olga"], "Olga is next")


def test_whoever_waits_stays_in_the_queue_when_removing_them_fails(hub, waiting):
    """JupyterHub removes nobody whose server is about to start, and says so by an error."""
    assert hub.admin.api("DELETE", "/users/nora").status_code >= 400
    assert hub.queue() == ["nora", "olga"]
    hub.client("nora").delete_server()
    wait_for(lambda: hub.queue() == ["olga"], "she gives up")
    wait_for(
        lambda: hub.admin.api("DELETE", "/users/nora").status_code == 204, "she can be removed"
    )
