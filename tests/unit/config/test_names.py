"""Names for Docker objects made from hostile user names."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpudock.config.names import container_name, slug

HOSTILE = ["../x", "{0}", "a" * 200, "Ünïcødé", "用户", "", " ", "-", "a/b", "a\x00b", "A", "a.b"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_becomes_a_plain_one(name):
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,43}[a-z0-9])?", slug(name))


def test_a_plain_name_stays_readable():
    assert slug("alice") == "alice"
    assert slug("alice-2") == "alice-2"
    assert slug("Alice Smith").startswith("alice-smith-")


@given(st.text(max_size=255), st.text(max_size=255))
def test_two_names_never_share_a_volume(one, other):
    assert (slug(one) == slug(other)) == (one == other)


@given(st.text(max_size=255))
def test_nobody_can_take_the_name_that_was_made_for_another(name):
    made = slug(name)
    assert made == name or slug(made) != made


def test_a_container_name_is_one_that_docker_takes():
    name = container_name("gpudock", "x" * 200, "a1b2c3d4e5f60718")
    assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", name)
    assert len(name) <= 80
