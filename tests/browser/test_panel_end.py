"""The end of a session that its user wants, in a JupyterLab of a Hub that is a fake.

The server is real, and so is the front end; the Hub's and the desk's answers are fulfilled here. A
test takes the server away by answering as the Hub does where no server runs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from browser.panel_page import keep, lease_that_ends, open_lab, serious_barriers, until
from simulator import Gpu

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page, Route

HUB = """
c.ServerApp.base_url = "/user/ada/"
c.ServerApp.tornado_settings = {"hub_prefix": "/hub/", "hub_host": "", "user": "ada"}
"""
OUTAGE = "Your server cannot be reached"
STOPPED = "Your server is not running"


@pytest.fixture(scope="module")
def server(serve: Callable[..., Any]) -> str:
    url, _ = serve(Gpu.of_model("A100"), config=HUB)
    return f"{url}/user/ada"


@dataclass
class FakeHub:
    """What stands before and beside a server: the proxy, the Hub and the desk."""

    page: Page
    runs: bool = True
    released: list[str] = field(default_factory=list)
    asked: int = 0

    def __post_init__(self) -> None:
        self.page.route("**/user/ada/**", self._pass_on)
        self.page.route("**/gpudock/api/lease**", self._answer)
        self.page.route(
            "**/services/gpudock/**",
            lambda route: route.fulfill(body="<h1>My GPUs</h1>", content_type="text/html"),
        )

    def _pass_on(self, route: Route) -> None:
        if self.runs:
            route.fallback()
        else:
            self.asked += 1
            route.fulfill(status=424, json={"message": "ada's server is not running"})

    def _answer(self, route: Route) -> None:
        if not self.runs:
            route.fallback()
        elif "/release" in route.request.url:
            # The Hub stops the server before it can respond.
            self.released.append(route.request.method)
            self.runs = False
            route.abort()
        else:
            route.fulfill(json=lease_that_ends(3600))


@pytest.fixture
def open_server(server: str, visit: Callable[[str], Page]) -> tuple[Page, FakeHub, Locator]:
    page = visit("about:blank")
    hub = FakeHub(page)

    def go(address: str) -> Page:
        page.goto(address)
        return page

    page, panel = open_lab(go, server)
    return page, hub, panel


def test_giving_the_gpu_back_ends_on_the_page_that_shows_it(open_server):
    page, hub, panel = open_server
    seen: list[str] = []

    def note(text: str) -> None:
        seen.append(text)

    page.expose_function("noteText", note)
    page.evaluate(
        """texts => new MutationObserver(() => {
            const text = document.body.innerText;
            texts.filter(found => text.includes(found)).forEach(found => window.noteText(found));
        }).observe(document.body, { childList: true, subtree: true })""",
        [OUTAGE, STOPPED, "did not respond"],
    )
    panel.get_by_role("button", name="Stop server…").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop server").click()
    page.wait_for_url(re.compile(r"/services/gpudock/\?ended=lease-7$"))
    assert hub.released == ["POST"]
    assert seen == []


def test_a_server_that_is_stopped_on_a_page_of_the_lab_has_ended_and_is_not_lost(open_server):
    """As by File, Hub Control Panel, in another tab."""
    page, hub, _ = open_server
    desk = page.context.new_page()
    desk.route(
        "**/services/gpudock/**",
        lambda route: route.fulfill(body="<h1>My GPUs</h1>", content_type="text/html"),
    )
    desk.goto(page.url.split("/user/")[0] + "/services/gpudock/")
    desk.evaluate("new BroadcastChannel('gpudock').postMessage({ ends: '/user/ada/' })")
    hub.runs = False
    page.bring_to_front()
    dialog = page.get_by_role("dialog", name="Session ended")
    expect(dialog).to_contain_text("The GPU is free again. Your files are kept.", timeout=90_000)
    expect(page.get_by_text(OUTAGE)).to_have_count(0)
    keep(page, "session-ended")
    assert serious_barriers(page, ".jp-Dialog") == []
    dialog.get_by_role("button", name="My GPUs").click()
    page.wait_for_url("**/services/gpudock/")


def test_a_server_that_others_stop_is_still_an_outage(open_server):
    page, hub, _ = open_server
    hub.runs = False
    expect(page.get_by_role("dialog", name=STOPPED)).to_be_visible(timeout=90_000)
    hub.runs = True
    asked = hub.asked
    until(page, lambda: page.get_by_role("dialog", name=STOPPED).count() == 0, "it closes", 60)
    assert hub.asked == asked
