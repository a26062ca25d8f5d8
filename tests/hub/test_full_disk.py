"""The disk of the leases' database fills up while the lab runs: all is kept, and told."""

from __future__ import annotations

import contextlib
import os
import subprocess

import pytest

from support.waiting import wait_for

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
    told = hub.client("dora").refusal(gpus=0)
    assert "The lab's database failed, so your server could not be started" in told
    assert "full" in told
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
