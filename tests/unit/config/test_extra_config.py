"""What keeps a file in jupyterhub_config.d from being loaded is said in a sentence."""

from __future__ import annotations

import json

import pytest

from gpudock.config import extra_config
from gpudock.config.extra_config import HUB_ID, Record, changed_since, digest, examine


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / extra_config.FOLDER
    made.mkdir()
    made.chmod(0o755)
    (made / "README.md").write_text("How to use it.")
    return made


def write(folder, name, text="c.JupyterHub.active_server_limit = 5\n", mode=0o644):
    path = folder / name
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_folder_as_it_is_shipped_has_nothing_to_complain_about(folder):
    write(folder, "10-limits.py")
    assert examine(folder) == examine(folder, HUB_ID) == []
    assert examine(folder.parent / "none") == []


@pytest.mark.parametrize(
    "name", ["leads.py.bak", "leads.txt", "leads", "leads.PY", ".leads.py", "leads.py~", "#a.py#"]
)
def test_a_file_that_is_passed_over_is_named(folder, name):
    write(folder, name)
    (found,) = examine(folder)
    assert f"jupyterhub_config.d/{name} is not loaded" in found.text
    assert not found.fatal
    assert extra_config.python_files(folder) == []


def test_a_folder_in_the_folder_is_named_even_if_it_is_called_like_a_file(folder):
    (folder / "more.py").mkdir()
    (found,) = examine(folder)
    assert "more.py is a folder" in found.text
    assert extra_config.python_files(folder) == []


def test_files_are_loaded_in_the_order_of_their_names(folder):
    for name in ("20-b.py", "10-c.py", "9-a.py"):
        write(folder, name)
    assert [path.name for path in extra_config.python_files(folder)] == [
        "10-c.py",
        "20-b.py",
        "9-a.py",
    ]


@pytest.mark.parametrize(
    ("text", "line"), [("c.JupyterHub.x = [\n", 1), ("a = 1\nb = = 2\n", 2), ("\n\n  c.X.y = 1", 3)]
)
def test_an_error_of_syntax_has_file_and_line(folder, text, line):
    write(folder, "10-x.py", text)
    (found,) = examine(folder)
    assert f"jupyterhub_config.d/10-x.py, line {line}: " in found.text


def test_what_is_no_text_is_no_configuration(folder):
    (folder / "10-x.py").write_bytes(b"\xff\xfe\x00c")
    (found,) = examine(folder)
    assert "jupyterhub_config.d/10-x.py" in found.text


@pytest.mark.parametrize(("mode", "is_readable"), [(0o644, True), (0o640, False), (0o600, False)])
def test_a_file_that_the_hubs_user_may_not_read_is_named_with_the_remedy(folder, mode, is_readable):
    path = write(folder, "10-secret.py", mode=mode)
    other_user = path.stat().st_uid + 4711
    found = examine(folder, other_user)
    assert [item.fatal for item in found] == ([] if is_readable else [True])
    assert all("chmod 644 jupyterhub_config.d/10-secret.py" in item.text for item in found)


def test_a_folder_that_the_hubs_user_may_not_open_is_named(folder):
    folder.chmod(0o700)
    (found,) = examine(folder, folder.stat().st_uid + 4711)
    assert "chmod 755 jupyterhub_config.d" in found.text
    assert found.fatal


def test_a_link_to_elsewhere_is_refused_because_the_container_does_not_have_its_target(folder):
    target = folder.parent / "real.py"
    target.write_text("pass\n")
    (folder / "10-link.py").symlink_to(target)
    (found,) = examine(folder)
    assert found.fatal
    assert "copy" in found.text


def test_a_link_within_the_folder_is_a_file(folder):
    write(folder, "10-a.py")
    (folder / "20-b.py").symlink_to("10-a.py")
    assert examine(folder) == []


@pytest.mark.parametrize("name", ["20-b.py", "logo.svg"])
def test_an_absolute_link_within_the_folder_is_refused_because_it_leads_nowhere_in_the_container(
    folder, name
):
    target = write(folder, "10-a.py")
    (folder / "15-absolute.py").symlink_to(target)
    (folder / name).symlink_to("15-absolute.py")  # as bad as what it leads to
    found = examine(folder, logo="logo.svg")
    assert [item.fatal for item in found] == [True, True]
    assert f"15-absolute.py is a link to {target}" in found[0].text
    assert "ln -sfn 10-a.py" in found[0].text
    assert f"jupyterhub_config.d/{name} is a link" in found[1].text


def test_a_link_to_itself_is_refused(folder):
    (folder / "10-a.py").symlink_to("10-a.py")
    (found,) = examine(folder)
    assert found.fatal


def test_an_absolute_link_as_the_container_sees_it_is_a_file_there(folder, monkeypatch):
    monkeypatch.setattr(extra_config, "IN_THE_HUB", folder)
    (folder / "20-b.py").symlink_to(write(folder, "10-a.py"))
    assert examine(folder) == []


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / extra_config.FOLDER).write_text("")
    (found,) = examine(tmp_path / extra_config.FOLDER)
    assert found.fatal


def test_the_digest_changes_with_the_configuration_and_with_nothing_else(folder):
    assert digest(folder) == ""
    write(folder, "notes.txt")
    assert digest(folder) == ""
    path = write(folder, "10-a.py")
    first = digest(folder)
    path.touch()
    assert digest(folder) == first != ""
    path.rename(folder / "11-a.py")
    assert digest(folder) != first


def test_what_changed_since_the_start_is_named(folder, tmp_path):
    write(folder, "10-a.py")
    removed = write(folder, "20-b.py")
    Record(extra_config.digests(folder), ["A line."]).write(tmp_path / "record")
    record = Record.read(tmp_path / "record")
    assert record.warnings == ["A line."]
    assert changed_since(record, folder) == []
    write(folder, "10-a.py", "pass\n")
    removed.unlink()
    write(folder, "30-c.py")
    assert changed_since(record, folder) == ["10-a.py", "20-b.py", "30-c.py"]


@pytest.mark.parametrize("text", ["", "[]", "{", json.dumps({"other": 1})])
def test_a_record_that_is_none_is_none(tmp_path, text):
    (tmp_path / "record").write_text(text)
    assert Record.read(tmp_path / "record") is None
    assert Record.read(tmp_path / "missing") is None
