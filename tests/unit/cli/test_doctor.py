"""``gpudock doctor`` in the hub's container: it reports all parts, whatever fails."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

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
