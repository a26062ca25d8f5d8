"""What the image does without a hub: whose folders it names, and what SSH sessions inherit."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SERVER = Path(__file__).parents[3] / "images" / "pytorch-cuda" / "server"


@pytest.fixture
def alone(monkeypatch):
    monkeypatch.syspath_prepend(str(SERVER))
    for name in ("alone", "ssh"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import alone

    yield alone
    for name in ("alone", "ssh"):
        sys.modules.pop(name, None)


@pytest.fixture
def ssh(alone):
    return alone.ssh


def test_folders_that_are_mounted_in_the_workspace_are_found(alone, tmp_path):
    (tmp_path / "my data").mkdir()
    (tmp_path / "数据").mkdir()
    (tmp_path / "key").touch()
    mounts = tmp_path / "mountinfo"
    lines = [
        "22 1 0:2 / / rw - overlay overlay rw",
        f"23 22 0:3 / {tmp_path} rw - ext4 /dev/vda rw",
        f"24 23 0:3 / {tmp_path}/my\\040data rw - ext4 /dev/vda rw",
        f"24 23 0:3 / {tmp_path}/数据 rw - ext4 /dev/vda rw",
        f"25 23 0:3 / {tmp_path}/key ro - ext4 /dev/vda rw",
        f"26 23 0:3 / {tmp_path}-2 ro - ext4 /dev/vda rw",
    ]
    mounts.write_text("\n".join(lines))
    expected = [tmp_path, tmp_path / "my data", tmp_path / "数据"]
    assert alone.workspace_folders(tmp_path, mounts) == expected


def test_a_folder_of_somebody_else_is_named_with_its_owner(alone, tmp_path):
    message = alone.read_only_message(tmp_path)
    owner = tmp_path.stat()
    assert f"belongs to user {owner.st_uid} of the host" in message
    assert f"sudo chown -R {os.getuid()} " in message
    assert f"--user {owner.st_uid}:{owner.st_gid}" in message


def test_a_read_only_mount_is_called_so(alone, tmp_path, monkeypatch):
    class Mounted:
        f_flag = os.ST_RDONLY

    monkeypatch.setattr(alone.os, "statvfs", lambda _: Mounted)
    assert "is mounted read-only" in alone.read_only_message(tmp_path)


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH is not installed")
def test_lines_that_are_no_keys_are_named_without_their_content(ssh, tmp_path):
    file = tmp_path / "key"
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file]
    subprocess.run(make, check=True)
    key = file.with_suffix(".pub").read_text().strip()
    private = file.read_text().splitlines()[1]
    text = f"# mine\n\n{key}\nsecret password\n  {key}  \nssh-ed25519 AAAA\n{private}\n"
    keys, problems = ssh.valid_keys(text)
    assert keys == [key, key]
    assert [problem.split(" of ")[0] for problem in problems] == ["Line 4", "Line 6", "Line 7"]
    assert not any("password" in problem or private in problem for problem in problems)


def test_sessions_inherit_the_environment_and_no_line_can_be_added(ssh):
    line = ssh.set_env(
        {
            "CUDA_MODULE_LOADING": "LAZY",
            "TITLE": 'a "b" \\',
            "HOME": "/workspace",
            "SSH_PUBLIC_KEY": "ssh-ed25519 AAAA",
            "TWO_LINES": "a\nPermitRootLogin yes",
            "BASH_FUNC_x%%": "() { :; }",
        }
    )
    assert line == r'SetEnv "CUDA_MODULE_LOADING=LAZY" "TITLE=a \"b\" \\"'
    assert ssh.set_env({}) == ""
