"""A mistake in jupyterhub_config.d is one sentence that names file and line."""

from __future__ import annotations

import pytest
from traitlets.config import Config

from gpudock.config.extra_config import Record
from gpudock.hub.extra_config import load


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path)


class Lab:
    def __init__(self, directory):
        self.folder = directory / "jupyterhub_config.d"
        self.folder.mkdir()
        self.record = directory / "record"
        self.config = Config()
        self.config.JupyterHub.spawner_class = "gpudock.spawner.GPUDockerSpawner"
        self.config.JupyterHub.authenticator_class = "dummy"
        self.config.JupyterHub.load_roles = [{"name": "shipped"}]

    def load(self, **files):
        for name, text in files.items():
            (self.folder / f"{name}.py").write_text(text)
        load(self.folder, self.config, self.record)
        return self.config

    def refusal(self, **files):
        with pytest.raises(SystemExit) as caught:
            self.load(**files)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    @property
    def warnings(self):
        return Record.read(self.record).warnings


def test_a_file_extends_what_the_shipped_configuration_has_set(lab):
    text = 'c.JupyterHub.load_roles = [*c.JupyterHub.load_roles, {"name": "lead"}]\n'
    found = lab.load(leads=text)
    assert found.JupyterHub.load_roles == [{"name": "shipped"}, {"name": "lead"}]
    assert lab.warnings == []


def test_a_new_list_keeps_what_the_lab_needs(lab):
    """Examples for JupyterHub set new lists of services and roles."""
    lab.config.JupyterHub.services = [{"name": "gpudock", "url": "http://desk"}]
    lab.config.JupyterHub.template_paths = ["/ours"]
    lab.config.JupyterHub.template_vars = {"lab_name": "Vision Lab"}
    lab.config.JupyterHub.custom_scopes = {"custom:gpudock:read": {"description": "See all"}}
    found = lab.load(
        culler="c.JupyterHub.services = [{'name': 'culler'}]\n"
        "c.JupyterHub.load_roles = [{'name': 'culler', 'services': ['culler']}]\n"
        "c.JupyterHub.template_paths = ['/theirs']\n"
        "c.JupyterHub.custom_scopes = {'custom:more': {'description': 'More'}}\n"
        "c.JupyterHub.template_vars = {'announcement': 'Closed on Monday'}\n"
    ).JupyterHub
    assert [service["name"] for service in found.services] == ["gpudock", "culler"]
    assert [role["name"] for role in found.load_roles] == ["shipped", "culler"]
    assert found.template_paths == ["/theirs", "/ours"]
    assert set(found.template_vars) == {"lab_name", "announcement"}
    assert set(found.custom_scopes) == {"custom:gpudock:read", "custom:more"}


def test_a_part_of_the_lab_can_be_changed_by_its_name(lab):
    found = lab.load(roles="c.JupyterHub.load_roles = [{'name': 'shipped', 'users': ['ada']}]\n")
    assert found.JupyterHub.load_roles == [{"name": "shipped", "users": ["ada"]}]
    assert "services" not in found.JupyterHub


def test_a_later_file_has_the_last_word(lab):
    found = lab.load(
        a="c.JupyterHub.active_server_limit = 1\n", b="c.JupyterHub.active_server_limit += 1\n"
    )
    assert found.JupyterHub.active_server_limit == 2


def test_a_class_of_the_file_can_be_the_authenticator_and_be_configured(lab):
    text = (
        "from jupyterhub.auth import DummyAuthenticator\n"
        "class Ours(DummyAuthenticator):\n"
        '    """Signs in as we do."""\n'
        "c.JupyterHub.authenticator_class = Ours\n"
        "c.Ours.password = 'secret'\n"
    )
    assert lab.load(auth=text).JupyterHub.authenticator_class.__name__ == "Ours"
    assert lab.warnings == []


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("import os\n\nc.JupyterHub.x = nothing\n", 3, "NameError: name 'nothing' is not defined"),
        ("def f():\n    return 1 / 0\n\nf()\n", 2, "ZeroDivisionError"),
        ("c.X = [\n", 1, "'[' was never closed"),
        ("import no_such_package\n", 1, "ModuleNotFoundError"),
        ("raise SystemExit('stop')\n", 1, "SystemExit: stop"),
        ('c.JupyterHub.trusted_downstream_ips = "192.0.2.1"\n', 1, "must be a list"),
        (
            "pass\nc.GPUDockerSpawner.queue_timeout = float('nan')\n",
            2,
            "must be a number of seconds from 1 to 315,360,000, but is nan",
        ),
        ("\n\nc.Authenticator.admin_users = 5\n", 3, "must be a set"),
        ("c.JupyterHub.authenticator_class = 'no.such.Class'\n", 1, "of the type str"),
    ],
)
def test_an_error_names_file_and_line(lab, text, line, words):
    found = lab.refusal(broken=text)
    assert f"jupyterhub_config.d/broken.py, line {line}: " in found
    assert words in found
    assert not lab.record.exists()


def test_an_error_deep_in_a_library_names_the_line_that_called_it(lab):
    found = lab.refusal(broken="import json\n\njson.loads('{')\n")
    assert "broken.py, line 3: JSONDecodeError" in found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("c.JupyterHub.trusted_downstrem_ips = []\n", 'Did you mean "trusted_downstream_ips"?'),
        ("c.JupyterHubb.port = 1\n", 'Did you mean "JupyterHub"?'),
        ("c.LocalProcessSpawner.popen_kwargs = {}\n", "no effect"),
    ],
)
def test_a_line_without_effect_is_reported_and_kept(lab, text, words, capsys):
    lab.load(typo=text)
    (warning,) = lab.warnings
    assert "jupyterhub_config.d/typo.py, line 1: " in warning
    assert words in warning
    assert f"gpudock: {warning}" in capsys.readouterr().err


def test_options_of_all_parts_are_known(lab):
    lab.load(
        all="""
import re
c.JupyterHub.trusted_downstream_ips = ["192.0.2.1"]
c.Application.log_level = "DEBUG"
c.Authenticator.admin_users.add("grace")
c.DummyAuthenticator.password = "x"
c.Spawner.environment = {"A": "b"}
c.DockerSpawner.extra_host_config = {"dns": ["192.0.2.53"]}
c.GPUDockerSpawner.volumes = {"/data": {"bind": "/data", "mode": "ro"}}
c.GPUDockerSpawner.queue_timeout = None
c.ConfigurableHTTPProxy.debug = True
c.CryptKeeper.n_threads = 1
c.JupyterHub.load_groups = {"vision": {"users": ["grace"]}}
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 0}
"""
    )
    assert lab.warnings == []


def test_nothing_is_loaded_from_a_folder_with_a_file_that_cannot_be(lab):
    found = lab.refusal(a=f"open({str(lab.folder / 'ran')!r}, 'w')\n", b="c.X = = 1\n")
    assert "b.py, line 1" in found
    assert not (lab.folder / "ran").exists()


def test_a_file_that_is_passed_over_is_in_the_record(lab, capsys):
    (lab.folder / "leads.txt").write_text("c.X.y = 1")
    lab.load()
    assert "leads.txt is not loaded" in lab.warnings[0]
    assert "leads.txt is not loaded" in capsys.readouterr().err
