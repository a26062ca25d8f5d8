"""What several journeys do on the pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from browser.journeys import names
from browser.person import PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Locator

    from browser.journeys.recorder import Journey


def sign_in(journey: Journey, name: str, password: str = PASSWORD) -> None:
    """Fill in the sign-in form and submit it."""
    journey.fill(journey.page.locator("#username_input"), name)
    journey.fill(journey.page.locator("#password_input"), password)
    journey.click(journey.page.locator("#login_submit"))


def go(journey: Journey, page: str) -> None:
    """Follow a link of the navigation, whose menu is closed on a phone."""
    link = journey.page.locator(f"#gpudock-nav-{page}")
    expect(link).to_be_attached()
    if not link.is_visible():
        journey.click(journey.page.locator(".navbar-toggler"))
    journey.click(link)


def start_server(journey: Journey, gpus: int) -> None:
    """Fill in the spawn form and submit it."""
    journey.choose(journey.page.locator("#gpudock-gpus"), str(gpus))
    journey.click(journey.page.locator("#spawn_form [type=submit]"))


def card(journey: Journey) -> Locator:
    """Return the only server on My GPUs, which runs or waits."""
    return journey.page.get_by_role("article")


def dialog(journey: Journey) -> Locator:
    """Return the open dialog."""
    return journey.page.get_by_role("dialog")


def stop_server(journey: Journey) -> None:
    """Stop the only server on My GPUs."""
    journey.click(card(journey).get_by_role("button", name=names.STOP_SERVER))
    journey.click(dialog(journey).get_by_role("button", name=names.STOP_SERVER))
    expect(journey.page.get_by_role("status").filter(has_text=names.ENDED)).to_be_visible()


def set_gpus_at_once(journey: Journey, user: str, value: str) -> None:
    """Edit a user's limit in the table of quotas, and open the preview of the change."""
    journey.click(journey.page.get_by_role("button", name=names.limit_of(user)))
    journey.fill(journey.page.get_by_role("textbox", name=names.editor_of(user)), value)
    journey.press_enter()
    journey.click(journey.page.get_by_role("button", name=names.REVIEW))
