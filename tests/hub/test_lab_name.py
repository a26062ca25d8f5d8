"""The lab's name and logo are on all pages; an SVG logo cannot run a script."""

from __future__ import annotations

import httpx
import pytest

from harness.desk_process import DeskProcess
from harness.hub_client import HubClient
from harness.hub_process import PASSWORD

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture(scope="module")
def hub(new_module_hub):
    hub = new_module_hub(LAB_NAME="Vision <Lab>", LAB_LOGO="logo.svg")
    hub.put_beside_the_configuration("logo.svg", SVG)
    return hub.start()


def test_the_name_is_in_the_title_and_beside_the_logo(hub):
    for page in (
        httpx.get(f"{hub.url}/hub/login").text,
        hub.client("ada").page("/hub/home").text,
    ):
        assert " – Vision &lt;Lab&gt;</title>" in page
        assert page.count("Vision &lt;Lab&gt;") == 2
        assert "<Lab>" not in page
        assert "invert(1)" not in page, "only JupyterHub's own logo needs it"


def test_the_desk_has_the_name_too(hub):
    desk = DeskProcess(hub).start()
    try:
        page = HubClient(desk.url, "ada", PASSWORD).sign_in().http.get(desk.prefix).text
        assert "<title>My GPUs – Vision &lt;Lab&gt;</title>" in page
    finally:
        desk.close()


def test_the_logo_is_served_so_that_it_is_only_an_image(hub):
    answer = httpx.get(f"{hub.url}/hub/logo")
    assert answer.content == SVG
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert httpx.head(f"{hub.url}/hub/logo").status_code == httpx.codes.OK


def test_without_a_name_the_pages_are_jupyterhubs(new_hub):
    hub = new_hub().start()
    page = httpx.get(f"{hub.url}/hub/login").text
    assert "<title>Sign in – JupyterHub</title>" in page
    assert "invert(1)" in page
    assert httpx.get(f"{hub.url}/hub/logo").headers["Content-Type"] == "image/png"
