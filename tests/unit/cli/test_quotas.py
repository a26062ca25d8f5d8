"""``gpudock quota`` and ``gpudock report``."""

from __future__ import annotations

import io

import pytest

from gpudock.model import Lease, Request
from gpudock.policy.quota.table import read_table


def documents(gpudock) -> dict[tuple[str, str], dict[str, object]]:
    return {
        (item["level"], item["name"]): item["document"] for item in gpudock.json("quota", "get")
    }


def test_fields_are_set_one_by_one(gpudock, broker):
    gpudock("quota", "set", "user:ada", "max_gpus=2", "gpu_models=*A100*;*H100*")
    gpudock("quota", "set", "user:ada", "gpu_hours=none")
    assert gpudock.status == 0
    assert documents(gpudock) == {
        ("user", "ada"): {"max_gpus": 2, "gpu_models": ["*A100*", "*H100*"], "gpu_hours": None}
    }
    assert broker.quotas.effective("ada", ()).quota.max_gpus == 2


def test_fields_are_unset_one_by_one_or_all(gpudock, broker):
    gpudock("quota", "set", "group:vision", "group_max_gpus=8", "weight=2")
    gpudock("quota", "unset", "group:vision", "weight")
    assert documents(gpudock) == {("group", "vision"): {"group_max_gpus": 8}}
    gpudock("quota", "unset", "group:vision", "weight")
    assert "does not set weight" in gpudock.err
    gpudock("quota", "unset", "group:vision")
    assert documents(gpudock) == {}


def test_a_boost_ends_by_itself(gpudock, broker):
    gpudock("quota", "set", "user:ada", "max_gpus=4", "--until", "2999-01-01T00:00:00+00:00")
    effective = gpudock.json("quota", "get", "user:ada", "--effective")
    assert effective["quota"]["max_gpus"] == 4
    assert effective["origin"]["max_gpus"].startswith("user boost until 2999")
    gpudock("quota", "set", "user:ada", "max_gpus=4", "--until", "1999-01-01T00:00:00+00:00")
    assert gpudock.json("quota", "get", "user:ada", "--effective")["quota"]["max_gpus"] == 1


def test_effective_limits_name_their_levels(gpudock, broker):
    gpudock("quota", "set", "group:vision", "max_gpus=3", "group_max_gpus=5")
    shown = gpudock("quota", "get", "user:ada", "--effective", "--groups", "vision")
    (line,) = (line for line in shown.splitlines() if line.startswith("max_gpus"))
    assert line.split()[1:4] == ["3", "group", "vision"]
    assert "group_max_gpus of vision" in shown


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("set", "user:ada", "gpus=2"), 'no field "gpus"'),
        (("set", "user:ada", "max_gpus=-1"), "max_gpus"),
        (("set", "user:ada", "gpu_hours=nan"), "gpu_hours"),
        (("set", "user:ada", "max_gpus"), "FIELD=VALUE"),
        (("set", "user:ada", "group_max_gpus=2"), "group"),
        (("set", "user:ada", "max_gpus=2", "--until", "tomorrow"), "until"),
        (("get", "group:vision", "--effective"), "Name a user"),
    ],
)
def test_an_invalid_change_is_an_error_and_changes_nothing(gpudock, broker, arguments, word):
    gpudock("quota", *arguments)
    assert gpudock.status == 1
    assert word in gpudock.err
    assert documents(gpudock) == {}


@pytest.mark.parametrize("level", ["users:ada", "user", "default:ada", "group:"])
def test_a_level_is_written_in_one_way(gpudock, level):
    with pytest.raises(SystemExit):
        gpudock("quota", "get", level)


def test_an_export_equals_its_import(gpudock, broker, tmp_path):
    table = tmp_path / "quotas.csv"
    table.write_text("level,name,max_gpus,weight\ndefault,,2,\nuser,ada,none,2.5\n")
    gpudock("quota", "import", str(table))
    assert gpudock.out.startswith("2 levels changed: 2 new.")
    exported = gpudock("quota", "export")
    assert [(row.level, row.name, row.document) for row in read_table(exported)] == [
        ("default", "", {"max_gpus": 2}),
        ("user", "ada", {"max_gpus": None, "weight": 2.5}),
    ]


def test_a_dry_run_of_an_import_shows_what_it_would_mean(gpudock, broker, tmp_path):
    broker.quotas.set("default", "", {"max_gpus": 2}, "admin")
    for name in ("ada", "bob", "cleo"):
        broker.quotas.set("user", name, {"max_gpus": 2}, "admin")
    assert isinstance(broker.requests.submit(Request("r", "ada", "", 2, 1.0, "image")), Lease)
    before = documents(gpudock)
    table = tmp_path / "quotas.csv"
    table.write_text("level,name,max_gpus\nuser,ada,1\nuser,bob,\nuser,cleo,2\nuser,dora,3\n")
    shown = gpudock("quota", "import", str(table), "--dry-run")
    assert "3 levels would change: 1 changed, 1 new, 1 removed, 1 as before." in shown
    assert "1 running session beyond the new limits" in shown
    assert documents(gpudock) == before
    assert gpudock.json("quota", "import", str(table), "--dry-run")["unchanged"] == 1
    shown = gpudock("quota", "import", str(table))
    assert "3 levels changed: 1 changed, 1 new, 1 removed, 1 as before." in shown
    assert documents(gpudock)["user", "ada"] == {"max_gpus": 1}
    assert ("user", "bob") not in documents(gpudock)
    assert "0 levels changed: 4 as before." in gpudock("quota", "import", str(table))


def test_a_table_with_one_invalid_line_changes_nothing(gpudock, broker, monkeypatch):
    text = "level,name,max_gpus\nuser,ada,2\nuser,bob,many\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode("utf-16"))))
    gpudock("quota", "import", "-")
    assert gpudock.status == 1
    assert "Line 3" in gpudock.err
    assert documents(gpudock) == {}


def test_a_missing_file(gpudock, broker):
    gpudock("quota", "import", "/no/such/file.csv")
    assert gpudock.status == 1
    assert "No such file" in gpudock.err


def test_a_dry_run_shows_what_it_would_mean_and_changes_nothing(gpudock, broker):
    broker.quotas.set("default", "", {"max_gpus": 2}, "admin")
    granted = broker.requests.submit(Request("r", "ada", "", 2, 1.0, "image"))
    assert isinstance(granted, Lease)
    gpudock("quota", "set", "user:ada", "max_gpus=1", "--dry-run")
    assert "1 level would change." in gpudock.out
    assert "1 running session beyond the new limits" in gpudock.out
    assert ("user", "ada") not in documents(gpudock)


def test_hours_are_reported(gpudock, broker):
    held = broker.requests.submit(Request("r", "ada", "", 1, 1.0, "image", groups=("vision",)))
    assert isinstance(held, Lease)
    broker.leases.end(held.id, "stopped")
    assert gpudock("report").splitlines()[0].split() == ["FROM", "USER", "GPU-HOURS", "LEASES"]
    (row,) = gpudock.json("report")
    assert (row["name"], row["leases"]) == ("ada", 1)
    (row,) = gpudock.json("report", "--by", "group", "--bucket", "day")
    assert row["name"] == "vision"
    (row,) = gpudock.json("report", "--by", "gpu")
    assert row["name"] == held.gpu_uuids[0]
    head, line = gpudock("report", "--csv").splitlines()
    assert head == "from,name,gpu_hours,leases"
    assert line.split(",")[1] == "ada"
    assert gpudock.json("report", "--to", "2001-01-01", "--from", "2000-01-01") == []


def test_an_invalid_date(gpudock):
    with pytest.raises(SystemExit):
        gpudock("report", "--from", "yesterday")


def test_limits_that_contradict_each_other_are_said_where_they_are_set(gpudock, broker, tmp_path):
    words = 'For the user "ada": session_hours is 24, and max_session_hours only 12'
    for more in (("--dry-run",), ()):
        assert words in gpudock("quota", "set", "user:ada", "session_hours=24", *more)
    assert words not in gpudock("quota", "set", "user:ada", "max_gpus=2", "session_hours=6")
    assert "contradictions" in gpudock.json("quota", "set", "user:bob", "max_gpus=2")["total"]
    broker.quotas.set("group", "vision", {"max_session_hours": 48}, "admin")
    # The command line does not know whether this user is in the group.
    assert words.replace("ada", "cleo") not in gpudock(
        "quota", "set", "user:cleo", "session_hours=24"
    )
    table = tmp_path / "quotas.csv"
    table.write_text("level,name,session_hours\ngroup,vision,72\ndefault,,20\n")
    shown = gpudock("quota", "import", str(table))
    assert 'For the group "vision": session_hours is 72' in shown
    assert "For the default: session_hours is 20" in shown


def test_many_contradictions_are_counted(gpudock, broker, tmp_path):
    table = tmp_path / "quotas.csv"
    rows = "".join(f"user,u{n},24,2\n" for n in range(25))
    table.write_text(f"level,name,session_hours,max_session_hours\n{rows}")
    shown = gpudock("quota", "import", str(table))
    assert shown.count("the maximum") == 20
    assert "And 5 more like these." in shown
