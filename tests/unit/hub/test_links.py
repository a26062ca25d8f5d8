"""Which links start a server: those on pages of the lab."""

from __future__ import annotations

import pytest
from tornado.httputil import HTTPHeaders

from gpudock.hub.links import comes_from_lab

LAB = "lab.example:8000"


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "same-origin", "Referer": "http://other.example/"}, True),
        ({"Sec-Fetch-Site": "same-site", "Referer": f"https://{LAB}/"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Referer": f"https://{LAB}/"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Sec-Fetch-Site": ""}, False),
        ({"Referer": f"http://{LAB}/user/ada/lab"}, True),
        ({"referer": "http://LAB.example:8000/"}, True),
        ({"Referer": f"http://{LAB}.evil.example/"}, False),
        ({"Referer": f"http://evil.example/{LAB}"}, False),
        ({"Referer": f"http://{LAB}@evil.example/"}, False),
        ({"Referer": "http://lab.example/"}, False),
        ({"Referer": "http://[/"}, False),
        ({"Origin": f"http://{LAB}"}, True),
        ({"Origin": "null", "Referer": f"http://{LAB}/"}, False),
        ({}, False),
    ],
    ids=str,
)
def test_a_browser_must_say_that_a_link_is_on_a_page_of_the_lab(headers, answer):
    assert comes_from_lab(HTTPHeaders(headers), LAB) is answer


@pytest.mark.parametrize("headers", [{}, {"Referer": "/hub/home"}], ids=str)
def test_without_a_host_nothing_comes_from_the_lab(headers):
    assert not comes_from_lab(HTTPHeaders(headers), "")
