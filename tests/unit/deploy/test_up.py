"""``make up`` reads the configuration, and tells of a build what a person wants to know."""

import pytest

from gpudock.deploy import images
from gpudock.deploy.output import ProblemError
from gpudock.deploy.up import read_configuration


def test_the_environment_goes_before_the_file(tmp_path):
    (tmp_path / ".env").write_text("GPUDOCK_PORT=9001\nGPUDOCK_ADMIN=ada\n")
    found = read_configuration(tmp_path, {"GPUDOCK_PORT": "9002"})
    assert (found.settings.port, found.settings.admin) == (9002, "ada")


def test_the_projects_name_can_be_chosen_as_with_compose(tmp_path):
    assert read_configuration(tmp_path, {}).project == "gpudock"
    (tmp_path / ".env").write_text("COMPOSE_PROJECT_NAME=second\n")
    assert read_configuration(tmp_path, {}).project == "second"


def test_misspelt_and_bad_settings_of_the_file_are_reported_together(tmp_path):
    (tmp_path / ".env").write_text("GPUDOCK_PROT=9000\nGPUDOCK_ADMIN=NOT OK\n")
    with pytest.raises(ProblemError) as caught:
        read_configuration(tmp_path, {})
    first, second = str(caught.value).splitlines()
    assert "GPUDOCK_PORT?" in first
    assert second.startswith("GPUDOCK_ADMIN")


def test_a_ca_bundle_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ProblemError, match=r"missing\.pem, which does not exist"):
        read_configuration(tmp_path, {"GPUDOCK_CA_BUNDLE": str(tmp_path / "missing.pem")})


def printed(log, capsys):
    progress = images._BuildProgress()
    progress.follow(log)
    return capsys.readouterr().out.splitlines(), progress


def test_only_steps_that_took_time_are_told(capsys):
    lines, progress = printed(
        [
            "#1 [hub internal] load build definition from Dockerfile\n",
            "#1 DONE 0.0s\n",
            "#2 [hub 1/3] FROM debian\n",
            "#2 CACHED\n",
            "#3 [hub 2/3] RUN --mount=type=secret,id=ca     . /run/with-ca     && apt-get update\n",
            "#3 DONE 12.3s\n",
        ],
        capsys,
    )
    assert lines == ["    hub 2/3: RUN apt-get update: 12 s"]
    assert progress.running() == "checking what has changed"


def test_the_steps_that_run_are_known_meanwhile(capsys):
    _, progress = printed(["#7 [hub 1/2] RUN one\n", "#8 [proxy 1/2] RUN two\n"], capsys)
    assert progress.running() == "hub 1/2: RUN one, proxy 1/2: RUN two"
