"""The frame of the Hub's pages sends a form once, however often a button is clicked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import gpudock.hub

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

SITE = "http://lab.test"
FRAME = Path(gpudock.hub.__file__).parent / "templates" / "hub" / "page.html"
FORM = """
<form action="/delete" method="post">
  <input name="name" value="ada"><button id="delete">Delete account</button>
</form>
<form action="/search" method="get"><button id="search">Search</button></form>
"""


@pytest.fixture
def posts() -> list[str]:
    return []


@pytest.fixture
def page(chromium: Browser, posts: list[str]) -> Page:
    """A page with the frame's script, which stays open when a form is sent."""
    scripts = FRAME.with_name("sent_once.html").read_text()
    assert '{% include "sent_once.html" %}' in FRAME.read_text()

    def answer(route: Route) -> None:
        if route.request.method == "POST":
            posts.append(route.request.post_data or "")
            route.fulfill(status=204)  # the browser stays on the page
        else:
            html = scripts.partition("#}")[2] + FORM
            route.fulfill(content_type="text/html", body=html)

    context = chromium.new_context()
    page = context.new_page()
    page.route("**/*", answer)
    page.goto(f"{SITE}/accounts")
    yield page
    context.close()


def test_a_double_click_and_the_enter_key_send_a_form_once(page: Page, posts: list[str]) -> None:
    with page.expect_response("**/delete"):
        page.locator("#delete").dispatch_event("click")
    page.evaluate("document.querySelector('#delete').click()")
    page.evaluate("document.forms[0].requestSubmit()")
    assert "disabled" in page.locator("#delete").get_attribute("class")
    page.evaluate("fetch('/last', { method: 'POST', body: 'last' })")
    assert posts == ["name=ada", "last"]


def test_a_page_that_the_browser_shows_again_can_be_sent_again(
    page: Page, posts: list[str]
) -> None:
    for count in (1, 2):
        with page.expect_response("**/delete"):
            page.locator("#delete").dispatch_event("click")
        assert len(posts) == count
        page.evaluate("window.dispatchEvent(new PageTransitionEvent('pageshow'))")
        assert "disabled" not in page.locator("#delete").get_attribute("class")


def test_a_form_that_only_asks_is_left_alone(page: Page) -> None:
    page.locator("#search").click()
    page.wait_for_url("**/search?")
