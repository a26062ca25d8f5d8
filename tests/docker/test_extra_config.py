"""The lab's own configuration, beside docker-compose.yml, outlives the hub's container."""

from __future__ import annotations

import pytest

from gpudock.config.extra_config import FOLDER, IN_THE_HUB
from harness.lab import ROOT, Lab

FILE = ROOT / FOLDER / "zz-test.py"
LEAD = """
c.JupyterHub.load_groups = {"vision": {"users": []}}
c.JupyterHub.load_roles = [
    *c.JupyterHub.load_roles,
    {"name": "lead-of-vision", "scopes": ["custom:gpudock:manage!group=vision"], "users": []},
]
"""


@pytest.fixture(autouse=True)
def the_labs_own_again(clean_lab):
    yield
    FILE.unlink(missing_ok=True)
    clean_lab.up()


def write(text):
    FILE.write_text(text)
    FILE.chmod(0o644)


def test_a_change_is_loaded_by_make_up_and_stays_with_a_new_container(clean_lab):
    before = clean_lab.hub.id
    write(LEAD)
    clean_lab.up()
    first = clean_lab.hub.id
    assert first != before, "the change replaced the hub's container"
    assert clean_lab.admin.api("GET", "/groups/vision").status_code == 200
    clean_lab.hub.remove(force=True)
    clean_lab.up()
    assert clean_lab.hub.id != first
    assert clean_lab.admin.api("GET", "/groups/vision").status_code == 200
    clean_lab.up()
    second = clean_lab.hub.id
    clean_lab.up()
    assert clean_lab.hub.id == second, "nothing changed, so nothing was replaced"


def test_the_hub_cannot_write_to_it(clean_lab):
    for user in ("root", "gpudock"):
        status, _ = clean_lab.hub.exec_run(["touch", f"{IN_THE_HUB}/x.py"], user=user)
        assert status != 0


def test_an_error_of_syntax_stops_make_up_before_anything_is_changed(clean_lab):
    before = clean_lab.hub.id
    write("c.JupyterHub.x = = 1\n")
    done = Lab.command("up")
    assert done.returncode == 1
    assert "jupyterhub_config.d/zz-test.py, line 1: invalid syntax" in done.stdout
    assert clean_lab.hub.id == before


def test_an_error_at_its_start_is_in_the_hubs_log_and_in_what_make_up_says(clean_lab):
    write("\nc.JupyterHub.x = undefined_name\n")
    done = Lab.command("up")
    assert done.returncode == 1
    assert "jupyterhub_config.d/zz-test.py, line 2: NameError" in done.stdout


def test_a_file_that_the_hub_cannot_read_is_named(clean_lab):
    write(LEAD)
    FILE.chmod(0o600)
    done = Lab.command("up")
    assert done.returncode == 1
    assert "may not read jupyterhub_config.d/zz-test.py" in done.stdout
