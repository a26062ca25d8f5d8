"""The disk of the leases' database fills up while the lab runs: all is kept, and reported."""

from __future__ import annotations

import contextlib
import os
import subprocess

import pytest

from harness.desk_process import DeskProcess
from harness.waiting import wait_for

ROOM_MIB = 4


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of a few megabytes."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    folder = tmp_path / "small"
    folder.mkdir()
    options = f"size={ROOM_MIB}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def hub(small_disk, new_hub):
    return new_hub(DB_URL=f"sqlite:///{small_disk}/gpudock.sqlite").start()


def fill(folder):
    """Leave no room; return the file that takes it."""
    filler = folder / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(b"\0" * 4096):
            pass
    return filler


def test_nothing_is_lost_and_the_lab_goes_on_when_there_is_room_again(hub, small_disk):
    ada, bob, cleo = (hub.client(name) for name in ("ada", "bob", "cleo"))
    ada.start_server()
    bob.start_server()
    cleo.ask_for_server()
    wait_for(hub.queue, "cleo waits")
    before, running = hub.held(), hub.docker.running

    filler = fill(small_disk)
    message = hub.client("dora").refusal(gpus=0)
    assert "The lab's database failed, so your server could not be started" in message
    assert "full" in message
    page = hub.client("dora").page("/hub/spawn")
    assert page.status_code == 200
    assert "0 of 2" in page.text
    # What was to end is ended later; until then its GPU is nobody else's.
    ada.delete_server()
    wait_for(lambda: ada.server_model() is None, "the Hub has no server of ada's")
    assert hub.held() == before
    assert hub.docker.running == running
    assert hub.queue() == ["cleo"]

    filler.unlink()
    wait_for(lambda: sorted(hub.leases()) == ["bob", "cleo"], "ada's GPU goes to cleo")
    wait_for(lambda: (cleo.server_model() or {}).get("ready"), "cleo's server")
    after = hub.held()
    assert after["bob"] == before["bob"]
    assert after["cleo"][2] == before["ada"][2]
    assert hub.queue() == []
    hub.client("dora").start_server(gpus=0)


def test_a_hub_that_is_killed_on_a_full_disk_comes_back_with_its_leases(hub, small_disk):
    ada = hub.client("ada")
    ada.start_server()
    before, running = hub.held(), hub.docker.running
    filler = fill(small_disk)
    assert "full" in hub.client("bob").refusal()
    hub.kill()
    filler.unlink()
    hub.start()
    wait_for(lambda: (ada.server_model() or {}).get("ready"), "ada's server is known again")
    assert hub.held() == before
    assert hub.docker.running == running
    hub.client("bob").start_server()


def test_a_change_at_the_desk_for_which_there_is_no_room_changes_nothing(hub):
    """The disk fills up in the middle of it, while the hub writes to the same database."""
    ada, cleo = hub.client("ada"), hub.client("cleo")
    ada.start_server()
    hub.client("bob").start_server()
    cleo.ask_for_server()
    wait_for(hub.queue, "cleo waits")
    desk = DeskProcess(hub).start()
    try:
        token = desk.token(hub.admin)

        def ask(method, path, **request):
            return desk.ask(method, path, token, **request)

        assert ask("PUT", "quotas/users/user-1", json={"max_gpus": 3}).status_code == 200
        before, quotas = hub.held(), ask("GET", "quotas.csv").text
        audit = ask("GET", "audit").json()["total"]
        document = {"gpu_models": ["*" * 250]}
        changes = [
            {"level": "user", "name": f"user-{number}", "document": document}
            for number in range(9_000)
        ]
        refused = ask("PATCH", "quotas", json={"changes": changes})
        assert refused.status_code == 503
        assert "full" in refused.json()["message"]
        assert "Nothing was changed." in refused.json()["message"]
        assert ask("GET", "quotas.csv").text == quotas
        assert ask("GET", "audit").json()["total"] == audit
        assert hub.held() == before
        assert hub.queue() == ["cleo"]

        assert ask("PUT", "quotas/users/user-1", json={"max_gpus": 4}).status_code == 200
        ada.stop_server()
        wait_for(lambda: sorted(hub.leases()) == ["bob", "cleo"], "the hub goes on")
    finally:
        desk.close()
