"""A user with their own browser: what they see, click and type in the lab."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from browser.panel_page import menu_entry

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator, Page

PASSWORD = "correct-horse-battery"

# Milliseconds. A busy machine with two cores is slow.
PAGE = 30_000
START = 180_000
CELL = 180_000


@dataclass
class Person:
    """A user with an account, or without one yet."""

    name: str
    url: str
    context: BrowserContext
    password: str = PASSWORD
    page: Page = field(init=False)

    def __post_init__(self) -> None:
        self.context.set_default_timeout(PAGE)
        self.page = self.context.new_page()

    def open(self, path: str) -> None:
        """Open a page of the Hub, for example ``/hub/home``."""
        self.page.goto(self.url + path)

    # Accounts.

    def sign_up(self) -> None:
        """Sign up for an account, from the sign-in page."""
        self.open("/hub/login")
        self.page.get_by_role("link", name="Sign up").click()
        self.fill_in_sign_up(self.name, self.password)
        expect(self.page.get_by_role("alert")).to_contain_text("administrator has approved you")

    def fill_in_sign_up(self, name: str, password: str) -> None:
        """Fill in the sign-up form and submit it."""
        self.page.get_by_label("User name").fill(name)
        self.page.get_by_label("Password", exact=True).fill(password)
        self.page.get_by_label("Confirm password").fill(password)
        self.page.get_by_role("button", name="Sign up").click()

    def fill_in_sign_in(self, query: str = "") -> None:
        """Fill in the sign-in form and submit it."""
        self.open(f"/hub/login{query}")
        self.page.locator("#username_input").fill(self.name)
        self.page.locator("#password_input").fill(self.password)
        self.page.locator("#login_submit").click()

    def sign_in(self) -> None:
        """Sign in, and wait for any page of the Hub or for the server."""
        self.fill_in_sign_in()
        expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()

    def change_password(self, new: str) -> None:
        """Change the password on the page for it."""
        self.page.locator("#old_password_input").fill(self.password)
        self.page.get_by_label("New password", exact=True).fill(new)
        self.page.get_by_label("Confirm the new password").fill(new)
        self.page.get_by_role("button", name="Change password").click()
        self.password = new

    def approve(self, name: str) -> None:
        """Approve an account as an administrator."""
        self.open("/hub/home")
        self.page.get_by_role("link", name="Accounts").click()
        self.page.get_by_role("button", name=f"Approve: {name}", exact=True).click()
        member = self.page.locator("#gpudock-members").get_by_text(name, exact=True)
        # An account of that name may have left its files.
        same_person = self.page.get_by_label("It is the same person")
        expect(member.or_(same_person)).to_be_visible()
        if same_person.is_visible():
            same_person.check()
            self.page.get_by_role("button", name="Approve").click()
        expect(member).to_be_visible()

    # Servers.

    @property
    def start_button(self) -> Locator:
        return self.page.get_by_role("button", name="Start", exact=True)

    def fill_in_form(self, gpus: int) -> None:
        """Open the spawn form and choose the number of GPUs. ``start_button`` submits it."""
        self.open("/hub/spawn")
        self.page.get_by_label("Number of GPUs").select_option(str(gpus))

    def wait_for_lab(self) -> None:
        """Wait until JupyterLab is shown."""
        self.page.wait_for_url(re.compile(r"/user/[^/]+/lab"), timeout=START)
        expect(self.page.locator("#jp-MainLogo")).to_be_visible(timeout=START)
        expect(self.page.locator(".jp-LauncherCard").first).to_be_visible(timeout=START)

    def start(self, gpus: int) -> None:
        """Start a server and wait for its JupyterLab."""
        self.fill_in_form(gpus)
        self.start_button.click()
        self.wait_for_lab()

    def stop_server(self) -> None:
        """Stop the server by File, Hub Control Panel, which is "My GPUs"."""
        entry = menu_entry(self.page, "File", "Hub Control Panel")
        with self.context.expect_page() as opened:
            entry.click()
        panel = opened.value
        panel.get_by_role("button", name="Stop server: your server").click()
        panel.get_by_role("dialog").get_by_role("button", name="Stop server").click()
        expect(panel.get_by_text("Session ended. The GPU is free again.")).to_be_visible(
            timeout=START
        )
        panel.close()

    # JupyterLab.

    def open_sidebar(self) -> Locator:
        """Show the GPU panel and return it."""
        panel = self.page.locator("#jp-gpudock-panel")
        if not panel.is_visible():
            self.page.locator('.jp-SideBar [data-id="jp-gpudock-panel"]').click()
        expect(panel).to_be_visible()
        return panel

    def gpus_in_sidebar(self) -> list[str]:
        """Return the UUIDs of the GPUs that the sidebar shows."""
        cards = self.open_sidebar().locator("[data-uuid]")
        expect(cards.first).to_be_visible()
        return [str(card.get_attribute("data-uuid")) for card in cards.all()]

    def open_notebook(self) -> None:
        """Open a new notebook, and wait for its kernel."""
        self.page.locator('.jp-LauncherCard[data-category="Notebook"]').first.click()
        # The indicator beside the kernel's name shows "Idle" even before there is a kernel.
        status = self.page.locator("#jp-main-statusbar")
        expect(status).to_contain_text("Python 3 (ipykernel) | Idle", timeout=CELL)

    def run_cell(self, code: str) -> Locator:
        """Run code in the notebook's last cell and return its output area."""
        cell = self.page.locator(".jp-Notebook .jp-CodeCell").last
        cell.locator(".cm-content").click()
        # The editor closes brackets automatically when text is typed.
        self.page.keyboard.insert_text(code)
        number = self.page.locator(".jp-Notebook .jp-CodeCell").count() - 1
        self.page.keyboard.press("Shift+Enter")
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(number).locator(".jp-OutputArea")
