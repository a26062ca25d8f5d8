"""Who a user is in their container, and what is theirs."""

import os
import stat
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

WORKSPACE = Path("/workspace")


def test_the_user_is_not_root():
    assert os.getuid() == os.geteuid() == 1000
    assert 0 not in os.getgroups()


def test_home_and_working_directory_are_the_workspace():
    assert os.environ["HOME"] == str(WORKSPACE) == str(Path.cwd())


def test_the_workspace_can_be_written_and_the_system_cannot():
    probe = WORKSPACE / "probe"
    probe.write_text("mine")
    probe.unlink()
    for place in ("/usr/local/bin", "/etc", sysconfig.get_path("purelib"), "/opt"):
        assert not os.access(place, os.W_OK), place


def test_no_program_lends_the_rights_of_another_user():
    for path in Path("/usr").rglob("*"):
        mode = path.lstat().st_mode
        assert not (stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID)), path


def test_what_a_user_installs_stays_in_the_workspace_and_out_of_the_server():
    with tempfile.TemporaryDirectory() as source:
        Path(source, "pyproject.toml").write_text(
            "[project]\nname = 'probe-package'\nversion = '1'\n"
            "[build-system]\nrequires = []\nbuild-backend = 'setuptools.build_meta'\n"
        )
        Path(source, "probe_package.py").write_text("")
        install = ["pip", "install", "--quiet", "--no-index", "--no-build-isolation", source]
        subprocess.run([sys.executable, "-m", *install], check=True)
    find = "import probe_package; print(probe_package.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", find], capture_output=True, text=True, check=False
    )
    assert found.stdout.startswith("/workspace/.local/"), found
    in_server = subprocess.run(
        [sys.executable, "-s", "-c", find], capture_output=True, text=True, check=False
    )
    assert "ModuleNotFoundError" in in_server.stderr
    subprocess.run(
        [sys.executable, "-m", "pip", "uninstall", "-y", "-q", "probe-package"], check=True
    )


def test_text_is_unicode():
    said = subprocess.run(["printf", "äöü€"], capture_output=True, check=True).stdout
    assert said.decode(sys.getfilesystemencoding()) == "äöü€"
    assert os.environ["LANG"] == "C.UTF-8"
