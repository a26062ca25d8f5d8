"""Users' containers use the company's HTTP proxy, but not on the way to the hub."""

from __future__ import annotations

import pytest

from gpudock.config.http_proxy import http_proxy_environment

PROXY = "http://proxy.example:3128"


def test_a_lab_without_a_proxy_sets_nothing():
    assert http_proxy_environment({"NO_PROXY": "example.org", "PATH": "/bin"}) == {}


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_both_spellings_are_set_whichever_the_hub_has(name):
    found = http_proxy_environment({name: PROXY})
    assert found["HTTPS_PROXY"] == found["https_proxy"] == PROXY
    assert "HTTP_PROXY" not in found


def test_the_hub_and_the_container_itself_are_reached_without_it():
    found = http_proxy_environment({"HTTP_PROXY": PROXY, "no_proxy": "example.org, hub,"})
    assert found["NO_PROXY"].split(",") == ["example.org", "hub", "localhost", "127.0.0.1", "::1"]
    assert found["no_proxy"] == found["NO_PROXY"]


def test_an_empty_variable_is_none():
    assert http_proxy_environment({"HTTP_PROXY": "", "https_proxy": ""}) == {}
