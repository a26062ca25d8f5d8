"""Settings are read and refused in one place, with sentences that say what to write."""

import re
from pathlib import Path

import pytest

from gpudock.config.settings import (
    SETTINGS,
    Settings,
    SettingsError,
    contradictions,
    unknown_settings,
)

ROOT = Path(__file__).parents[3]


def problems_of(**environ):
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ(environ)
    return caught.value.problems


def test_an_empty_environment_gives_the_documented_defaults():
    found = Settings.from_environ({})
    assert found.port == 8000
    assert found.admin == "admin"
    assert found.admin_password is None
    assert found.authenticator == "native"
    assert found.docker_socket == Path("/var/run/docker.sock")
    assert [image.name for image in found.images] == ["gpudock/pytorch-cuda:v2.6"]
    assert found.max_gpus_default == 1


def test_every_default_is_a_value_that_its_own_parser_takes():
    for setting in SETTINGS:
        if setting.default:
            setting.parse(setting.default)


def test_a_variable_that_is_empty_or_blank_counts_as_not_set():
    assert Settings.from_environ({"GPUDOCK_PORT": "", "GPUDOCK_ADMIN": "  "}) == (
        Settings.from_environ({})
    )


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("GPUDOCK_PORT", "0"),
        ("GPUDOCK_PORT", "65536"),
        ("GPUDOCK_PORT", "80 80"),
        ("GPUDOCK_PORT", "٣"),
        ("GPUDOCK_BASE_URL", "jupyter"),
        ("GPUDOCK_BASE_URL", "/jupyter"),
        ("GPUDOCK_BASE_URL", "//jupyter/"),
        ("GPUDOCK_BASE_URL", "/../"),
        ("GPUDOCK_BASE_URL", "/{user}/"),
        ("GPUDOCK_LAB_NAME", "x" * 41),
        ("GPUDOCK_LAB_NAME", "two\twords"),
        ("GPUDOCK_LAB_LOGO", "../logo.svg"),
        ("GPUDOCK_LAB_LOGO", "/etc/passwd"),
        ("GPUDOCK_LAB_LOGO", "10-logo.py"),
        ("GPUDOCK_ADMIN", "Admin"),
        ("GPUDOCK_ADMIN", "../root"),
        ("GPUDOCK_ADMIN_PASSWORD", "short"),
        ("GPUDOCK_AUTHENTICATOR", "native; rm"),
        ("GPUDOCK_ALLOW_ANYONE", "perhaps"),
        ("GPUDOCK_LEFTOVER_MEMORY", "lots"),
        ("GPUDOCK_LEFTOVER_MEMORY", "65T"),
        ("GPUDOCK_OBSERVERS", "dcgm exporter"),
        ("GPUDOCK_OBSERVERS", "*"),
        ("GPUDOCK_OBSERVERS", "exporter,**:*"),
        ("GPUDOCK_OBSERVERS", "[a-z]*"),
        ("GPUDOCK_SHOW_HOLDERS", "perhaps"),
        ("GPUDOCK_DESK_URL", "desk:10101"),
        ("GPUDOCK_DESK_URL", "http://fd00::1:10101"),
        ("GPUDOCK_DESK_URL", "http://[fd00::1"),
        ("GPUDOCK_DESK_URL", "http://desk:many"),
        ("GPUDOCK_METRICS_TOKEN", "too-short"),
        ("GPUDOCK_METRICS_TOKEN", "sixteen letters and a space"),
        ("GPUDOCK_IMAGES", ","),
        ("GPUDOCK_IMAGES", "A=one,A=two"),
        ("GPUDOCK_IMAGES", "A=not an image"),
        ("GPUDOCK_WORKSPACES", "gpudock-workspace"),
        ("GPUDOCK_WORKSPACES", "/data/{user}/{user}"),
        ("GPUDOCK_WORKSPACES", "/data/../etc/{user}"),
        ("GPUDOCK_WORKSPACES", "relative/{user}"),
        ("GPUDOCK_MAX_GPUS_DEFAULT", "-1"),
        ("GPUDOCK_MAX_GPUS_DEFAULT", "1.5"),
        ("GPUDOCK_SESSION_HOURS_DEFAULT", "0"),
        ("GPUDOCK_SESSION_HOURS_DEFAULT", "nan"),
        ("GPUDOCK_MAX_SESSION_HOURS_DEFAULT", "inf"),
        ("GPUDOCK_IDLE_MINUTES_DEFAULT", "0.5"),
        ("GPUDOCK_QUEUE_TIMEOUT_HOURS", "0"),
        ("GPUDOCK_MEMORY_LIMIT", "32"),
        ("GPUDOCK_MEMORY_LIMIT", "100M"),
        ("GPUDOCK_MEMORY_LIMIT", "999999999T"),
        ("GPUDOCK_CPU_LIMIT", "0"),
        ("GPUDOCK_CPU_LIMIT", "nan"),
        ("GPUDOCK_PIDS_LIMIT", "10"),
        ("GPUDOCK_SHM_SIZE", "big"),
        ("GPUDOCK_SHM_SIZE", "0.5M"),
        ("GPUDOCK_SHM_SIZE", "65T"),
        ("GPUDOCK_DB_URL", "sqlite:///relative.sqlite"),
        ("GPUDOCK_DB_URL", "mysql://host/database"),
        ("GPUDOCK_DB_URL", "postgresql://host"),
        ("GPUDOCK_DOCKER_SOCKET", "docker.sock"),
        ("GPUDOCK_NETWORK", "two words"),
        ("GPUDOCK_AGENT_NETWORK", "-x"),
        ("GPUDOCK_AGENT_IMAGE", "UPPER CASE"),
        ("GPUDOCK_DEBIAN_MIRROR", "mirror.example"),
        ("GPUDOCK_CA_BUNDLE", "ca.pem"),
    ],
)
def test_a_bad_value_is_refused_in_one_sentence_that_names_the_setting(name, bad):
    (problem,) = problems_of(**{name: bad})
    assert problem.startswith(name)
    assert problem.endswith(".")
    assert "\n" not in problem


def test_every_setting_with_rules_has_a_bad_value_above():
    marks = test_a_bad_value_is_refused_in_one_sentence_that_names_the_setting.pytestmark
    tried = {name for name, _ in marks[0].args[1]}
    assert tried == {setting.name for setting in SETTINGS}


def test_all_problems_are_reported_at_once():
    assert len(problems_of(GPUDOCK_PORT="x", GPUDOCK_ADMIN="X Y", GPUDOCK_SHM_SIZE="1")) == 3


def test_a_password_is_never_repeated_to_whoever_reads_the_message():
    (problem,) = problems_of(GPUDOCK_ADMIN_PASSWORD="hunter2")
    assert "hunter2" not in problem
    good = Settings.from_environ({"GPUDOCK_ADMIN_PASSWORD": "correct horse battery"})
    assert good.admin_password == "correct horse battery"
    assert "correct horse" not in repr(good)


def test_a_database_password_is_not_shown_in_the_representation():
    found = Settings.from_environ({"GPUDOCK_DB_URL": "postgresql://gpudock:s3cret@db/gpudock"})
    assert "s3cret" not in repr(found)


def test_a_refused_database_address_does_not_show_its_password():
    (problem,) = problems_of(GPUDOCK_DB_URL="postgresql://gpudock:s3cret@db")
    assert "s3cret" not in problem


def test_the_user_name_is_no_password():
    (problem,) = problems_of(GPUDOCK_ADMIN="administrator", GPUDOCK_ADMIN_PASSWORD="administrator")
    assert "GPUDOCK_ADMIN_PASSWORD" in problem


def test_signing_in_as_anybody_needs_a_second_explicit_word():
    (problem,) = problems_of(GPUDOCK_AUTHENTICATOR="dummy")
    assert "GPUDOCK_ALLOW_ANYONE" in problem
    allowed = {"GPUDOCK_AUTHENTICATOR": "dummy", "GPUDOCK_ALLOW_ANYONE": "yes"}
    assert Settings.from_environ(allowed).authenticator == "dummy"


def test_images_are_label_and_reference_and_a_bare_reference_is_its_own_label():
    found = Settings.from_environ(
        {"GPUDOCK_IMAGES": "PyTorch 2.6 = gpudock/pytorch-cuda:v2.6, host.example:5000/x@sha256:ab"}
    )
    assert [(image.label, image.name) for image in found.images] == [
        ("PyTorch 2.6", "gpudock/pytorch-cuda:v2.6"),
        ("host.example:5000/x@sha256:ab", "host.example:5000/x@sha256:ab"),
    ]


def test_an_ipv6_address_has_brackets():
    written = "http://[fd00::1]:10101"
    assert Settings.from_environ({"GPUDOCK_DESK_URL": written}).desk_url == written
    (problem,) = problems_of(GPUDOCK_DESK_URL="http://fd00::1:10101")
    assert "in brackets" in problem


def test_observers_are_names_and_images():
    written = " dcgm-exporter , nvcr.io/nvidia/k8s/*:4.1,,"
    found = Settings.from_environ({"GPUDOCK_OBSERVERS": written})
    assert found.observers == ("dcgm-exporter", "nvcr.io/nvidia/k8s/*:4.1")
    assert Settings.from_environ({}).observers is None


def test_an_image_may_keep_its_own_user():
    written = "PyTorch=lab/torch:1, R Studio = lab/rstudio:4 ; user = image, lab/root:1;user=image"
    found = Settings.from_environ({"GPUDOCK_IMAGES": written})
    assert [(image.label, image.name, image.own_user) for image in found.images] == [
        ("PyTorch", "lab/torch:1", False),
        ("R Studio", "lab/rstudio:4", True),
        ("lab/root:1", "lab/root:1", True),
    ]


@pytest.mark.parametrize("user", ["root", "", "image;user=image", "0:0"])
def test_an_image_gets_no_user_of_an_administrators_choice(user):
    (problem,) = problems_of(GPUDOCK_IMAGES=f"PyTorch=lab/torch:1;user={user}")
    assert 'the only option of an image is ";user=image"' in problem


def test_a_workspace_is_a_volume_or_a_directory_of_the_host():
    volume = Settings.from_environ({}).workspaces
    assert (volume.kind, volume.source("ada")) == ("volume", "gpudock-workspace-ada")
    directory = Settings.from_environ({"GPUDOCK_WORKSPACES": "/data/{user}"}).workspaces
    assert (directory.kind, directory.source("ada")) == ("directory", "/data/ada")


@pytest.mark.parametrize(
    ("written", "mib"),
    [("512M", 512), ("32G", 32768), ("1.5g", 1536), ("2GiB", 2048), ("1TB", 2**20)],
)
def test_sizes_are_read_in_the_usual_spellings(written, mib):
    assert Settings.from_environ({"GPUDOCK_MEMORY_LIMIT": written}).memory_limit == mib


def test_automatic_memory_is_shared_between_the_gpus_and_leaves_a_reserve():
    found = Settings.from_environ({})
    for gpus in (2, 4, 8):
        assert found.memory_for(64000, gpus) * gpus <= 64000 * 0.9
    assert found.memory_for(64000, 0) == found.memory_for(64000, 1) == 28800


def test_a_memory_limit_that_was_set_holds_whatever_the_host_has():
    assert Settings.from_environ({"GPUDOCK_MEMORY_LIMIT": "4G"}).memory_for(1000, 8) == 4096
    assert Settings.from_environ({"GPUDOCK_MEMORY_LIMIT": "none"}).memory_for(1000, 8) is None


def test_shared_memory_is_at_most_half_of_a_containers_memory():
    found = Settings.from_environ({})
    assert found.shm_for(4096) == 2048
    assert found.shm_for(65536) == 8192
    assert found.shm_for(None) == 8192


def test_a_misspelt_setting_is_pointed_out_with_the_likely_one():
    (problem,) = unknown_settings(["GPUDOCK_PROT", "GPUDOCK_PORT", "PATH"])
    assert "GPUDOCK_PROT" in problem
    assert "GPUDOCK_PORT?" in problem


def test_a_setting_like_no_other_is_still_pointed_out():
    (problem,) = unknown_settings(["GPUDOCK_XYZZY_QUUX_FROB"])
    assert "docs/reference/settings.md" in problem


def test_no_help_text_breaks_the_table():
    for setting in SETTINGS:
        assert "|" not in setting.help
        assert setting.help.endswith(".")


def test_compose_hands_every_setting_to_the_hub_or_the_desk():
    compose = (ROOT / "docker-compose.yml").read_text()
    handed = set(re.findall(r"^      (GPUDOCK_\w+):", compose, re.MULTILINE))
    build_only = {"GPUDOCK_PORT", "GPUDOCK_DEBIAN_MIRROR", "GPUDOCK_CA_BUNDLE"}
    assert handed == {setting.name for setting in SETTINGS} - build_only


def test_the_example_file_names_every_setting_with_its_default():
    example = (ROOT / ".env.example").read_text()
    for setting in SETTINGS:
        assert f"# {setting.name}={setting.default}\n" in example


def contradictions_in(**environ):
    given = {f"GPUDOCK_{name}": value for name, value in environ.items()}
    return contradictions(Settings.from_environ(given), given)


def test_sessions_last_four_hours_and_can_be_extended_to_twelve():
    quota = Settings.from_environ({}).default_quota
    assert (quota.session_hours, quota.max_session_hours) == (4.0, 12.0)
    assert quota.idle_minutes is None, "work that needs no GPU for a while is not lost"


def test_a_lower_maximum_alone_shortens_sessions_without_a_word():
    given = {"GPUDOCK_MAX_SESSION_HOURS_DEFAULT": "2"}
    assert Settings.from_environ(given).default_quota.session_hours == 2.0
    assert contradictions_in(MAX_SESSION_HOURS_DEFAULT="2") == []


def test_no_limit_is_no_limit():
    found = Settings.from_environ(
        {
            "GPUDOCK_SESSION_HOURS_DEFAULT": "none",
            "GPUDOCK_MAX_SESSION_HOURS_DEFAULT": "none",
            "GPUDOCK_QUEUE_TIMEOUT_HOURS": "none",
        }
    )
    assert found.default_quota.session_hours is found.default_quota.max_session_hours is None
    assert found.queue_timeout_hours is None


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"SESSION_HOURS_DEFAULT": "24"}, "sessions will last 12 h, the maximum"),
        (
            {"SESSION_HOURS_DEFAULT": "4", "MAX_SESSION_HOURS_DEFAULT": "2"},
            "sessions will last 2 h, the maximum",
        ),
        ({"IDLE_MINUTES_DEFAULT": "240"}, "over before they can be idle"),
        ({"QUEUE_TIMEOUT_HOURS": "1"}, "most requests are removed before a session ends"),
        ({"SHM_SIZE": "8G", "MEMORY_LIMIT": "4G"}, "/dev/shm will have 2048 MiB"),
    ],
)
def test_settings_that_cancel_each_other_are_said_in_a_sentence(environ, words):
    (text,) = contradictions_in(**environ)
    assert words in text
    assert text.startswith(f"GPUDOCK_{next(iter(environ))}")


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"MEMORY_LIMIT": "4G"},
        {"SESSION_HOURS_DEFAULT": "none"},
        {"SESSION_HOURS_DEFAULT": "24", "MAX_SESSION_HOURS_DEFAULT": "none"},
        {"IDLE_MINUTES_DEFAULT": "60", "QUEUE_TIMEOUT_HOURS": "none"},
    ],
)
def test_settings_that_agree_need_no_sentence(environ):
    assert contradictions_in(**environ) == []
