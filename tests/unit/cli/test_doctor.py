"""``gpudock doctor`` in the hub's container: it reports all parts, whatever fails."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from doubles.docker import FakeDocker
from doubles.inventory import SettableInventory, gpu, uuid
from gpudock.cli import connection
from gpudock.config.remedies import GENERATE_CDI

if TYPE_CHECKING:
    import pytest


def levels(findings: list[dict[str, str]]) -> dict[str, str]:
    return {finding["about"]: finding["level"] for finding in findings}


def test_a_dead_engine_and_a_healthy_database(gpudock):
    found = levels(gpudock.json("doctor"))
    assert gpudock.status == 1
    assert found["engine"] == "problem"
    assert found["database"] == "ok"
    assert found["sign-in"] == "ok"
    assert found["disk"] in ("ok", "hint")


def test_lab_only_skips_the_engine(gpudock):
    found = levels(gpudock.json("doctor", "--lab-only"))
    assert gpudock.status == 0
    assert "engine" not in found
    assert "disk" not in found


def test_a_database_failure_is_a_finding(gpudock, store, tmp_path):
    store.close()
    for file in tmp_path.glob("lab.sqlite*"):
        file.unlink()
    Path(tmp_path / "lab.sqlite").write_text("this is no database, and longer than its header " * 9)
    found = levels(gpudock.json("doctor", "--lab-only"))
    assert gpudock.status == 1
    assert found["database"] == "problem"


def test_each_invalid_setting_is_a_finding(gpudock, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GPUDOCK_PORT", "http")
    monkeypatch.setenv("GPUDOCK_PIDS_LIMIT", "-1")
    findings = gpudock.json("doctor")
    assert [finding["about"] for finding in findings] == ["settings", "settings"]
    assert gpudock.status == 1


def test_people_read_sentences(gpudock):
    assert "→" in gpudock("doctor")
    assert gpudock.out.rstrip().splitlines()[-1].startswith("Found 1 problem")


def test_gpus_without_readings_are_a_problem(gpudock, broker):
    assert levels(gpudock.json("doctor", "--lab-only"))["agent"] == "problem"


def test_devices_are_compared_one_by_one(gpudock, broker, tmp_path, monkeypatch):
    async def inventory(_settings):
        return SettableInventory([gpu(0), gpu(1), gpu(2)])

    monkeypatch.setattr(connection, "_inventory", inventory)
    docker = FakeDocker(tmp_path)
    docker.cdi_names = ["0", uuid(0), uuid(7), "all"]
    monkeypatch.setenv("GPUDOCK_DOCKER_SOCKET", str(docker.socket))
    found = [item for item in gpudock.json("doctor", "--lab-only") if item["about"] == "devices"]
    docker.close()
    by_level = {
        level: [item["text"] for item in found if item["level"] == level]
        for level in ("problem", "hint")
    }
    missing, unknown = by_level["problem"][:2], by_level["problem"][2:]
    assert [uuid(n) in text for n, text in zip((1, 2), missing, strict=True)] == [True, True]
    assert [uuid(2) in text for text in unknown] == [True], "the hub has not stored it yet"
    assert [uuid(7) in text for text in by_level["hint"]] == [True]
    assert GENERATE_CDI in found[0]["remedy"]


def test_an_engine_that_is_not_asked_leaves_its_specification_unknown(gpudock, broker, monkeypatch):
    async def inventory(_settings):
        return SettableInventory([gpu(0), gpu(1)])

    monkeypatch.setattr(connection, "_inventory", inventory)
    found = [item for item in gpudock.json("doctor", "--lab-only") if item["about"] == "devices"]
    assert [item["level"] for item in found] == ["ok", "unknown"]
