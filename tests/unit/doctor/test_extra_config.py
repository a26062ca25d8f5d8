"""``make doctor`` and ``gpudock doctor`` name what the hub cannot load, or has not loaded."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from gpudock.config import extra_config
from gpudock.config.extra_config import Record
from gpudock.deploy import preflight
from gpudock.deploy.output import ProblemError
from gpudock.doctor import __main__ as doctor
from gpudock.doctor.extra_config import examine_files, examine_loaded_files
from gpudock.doctor.finding import Level


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / extra_config.FOLDER
    made.mkdir()
    made.chmod(0o755)
    return made


def write(folder, name, text, mode=0o644):
    (folder / name).write_text(text)
    (folder / name).chmod(mode)


def test_what_was_loaded_is_listed_and_what_was_not_is_named(folder, tmp_path):
    record = tmp_path / "record"
    write(folder, "10-a.py", "pass\n")
    Record(extra_config.digests(folder)).write(record)
    (found,) = examine_loaded_files(folder, record)
    assert (found.level, found.text) == (Level.OK, "Loaded: 10-a.py.")

    write(folder, "20-b.py", "pass\n")
    (found,) = examine_loaded_files(folder, record)
    assert found.level is Level.HINT
    assert "not loaded yet: 20-b.py" in found.text
    assert "docker compose restart hub" in found.remedy


def test_lines_without_effect_are_hints_and_nothing_is_said_twice(folder, tmp_path):
    record = tmp_path / "record"
    write(folder, "notes.txt", "")
    texts = [complaint.text for complaint in extra_config.examine(folder)]
    Record({}, [*texts, "A line has no effect."]).write(record)
    found = examine_loaded_files(folder, record)
    assert [item.level for item in found] == [Level.HINT, Level.HINT]
    assert found[1].text == "A line has no effect."


def test_an_empty_folder_is_not_worth_a_line(folder, tmp_path):
    assert examine_loaded_files(folder, tmp_path / "none") == []


def test_a_file_that_stops_the_hub_is_a_problem_before_anything_is_changed(folder, tmp_path):
    write(folder, "10-a.py", "c.X = = 1\n", mode=0o600)
    folder.joinpath("10-a.py").chmod(0o644)
    (found,) = examine_loaded_files(folder, tmp_path / "none")
    assert found.level is Level.PROBLEM
    (folder / "10-a.py").unlink()
    (folder / "20-b.py").symlink_to("/etc/hostname")
    (found,) = examine_files(folder)
    assert found.level is Level.PROBLEM
    with pytest.raises(ProblemError, match=r"20-b\.py is a link"):
        preflight.check_extra_configuration(tmp_path)


def test_make_up_goes_on_with_what_the_hub_only_passes_over(folder, tmp_path):
    write(folder, "notes.txt", "")
    preflight.check_extra_configuration(tmp_path)


class RestartingHub:
    """The Docker client beside a hub that stops at each start."""

    def __init__(self, log, state="restarting"):
        self.log, self.state = log, state

    def run(self, command, *_arguments, timeout=None):
        answers = {
            "ps": "4f0e\n",
            "inspect": f"{self.state}\n",
            "logs": self.log,
            "exec": json.dumps([{"about": "x", "level": "ok", "text": "Fine.", "remedy": ""}]),
        }
        return SimpleNamespace(stdout=answers[command], stderr="", returncode=0)


def findings(monkeypatch, hub):
    monkeypatch.setattr(doctor, "find_tools", lambda *_: hub)
    configuration = SimpleNamespace(environ={}, project="gpudock")
    return doctor._lab(SimpleNamespace(socket=None), configuration)


def test_a_hub_that_does_not_start_says_why_once(monkeypatch):
    line = "jupyterhub_config.d/a.py, line 3: NameError: name 'x' is not defined."
    (found,) = findings(monkeypatch, RestartingHub(f"gpudock: {line}\n" * 3))
    assert found.level is Level.PROBLEM
    assert found.text == f"The lab's hub does not start: {line}"


def test_a_running_hub_answers_itself(monkeypatch):
    (found,) = findings(monkeypatch, RestartingHub("gpudock: old\n", state="running"))
    assert found.text == "Fine."
