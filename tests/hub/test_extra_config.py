"""A mistake in ``jupyterhub_config.d`` ends the hub's start with one sentence in its log."""

from __future__ import annotations

import json

from harness.waiting import wait_for


def test_an_error_ends_the_start_and_names_file_and_line(new_hub):
    hub = new_hub(extra="\nc.JupyterHub.x = undefined_name\n")
    hub.launch()
    wait_for(hub.has_ended, "the hub ends", 120)
    sentences = [line for line in hub.log.read_text().splitlines() if line.startswith("gpudock: ")]
    assert len(sentences) == 1
    assert "jupyterhub_config.d/test.py, line " in sentences[0]
    assert "undefined_name" in sentences[0]
    assert "Traceback" not in hub.log.read_text()


def test_the_files_see_what_was_set_and_lines_without_effect_are_logged(new_hub):
    hub = new_hub(
        extra="""
c.JupyterHub.load_roles = [
    *c.JupyterHub.load_roles,
    {"name": "lead", "scopes": ["custom:gpudock:manage!group=vision"], "users": ["grace"]},
]
c.JupyterHub.load_groups = {"vision": {"users": ["grace"]}}
c.JupyterHub.trusted_downstrem_ips = ["192.0.2.1"]
"""
    ).start()
    roles = hub.admin.api("GET", "/users/grace").json()["roles"]
    assert "lead" in roles
    assert 'Did you mean "trusted_downstream_ips"?' in hub.log.read_text()
    record = json.loads((hub.state / "loaded-configuration.json").read_text())
    assert list(record["files"]) == ["test.py"]


def test_the_lab_keeps_its_pages_and_rights_beside_new_lists(new_hub, tmp_path):
    hub = new_hub(
        extra=f"""
c.JupyterHub.services = [{{"name": "culler", "api_token": "{"c" * 32}"}}]
c.JupyterHub.load_roles = [{{"name": "culler", "scopes": ["list:users"], "services": ["culler"]}}]
c.JupyterHub.template_paths = [{str(tmp_path)!r}]
"""
    ).start()
    assert {"culler", "gpudock", "gpudock-resume"} <= set(hub.admin.api("GET", "/services").json())
    assert "Start a server" in hub.admin.page("/hub/spawn").text
