"""The GPU panel in a page: how it is opened, looked at, and kept as a picture."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import TimeoutError as PlaywrightTimeout
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Locator, Page

CHECKOUT = Path(__file__).parents[2]
AXE = CHECKOUT / "extensions/jupyterlab-gpudock/node_modules/axe-core/axe.min.js"
PICTURES = os.environ.get("GPUDOCK_PANEL_PICTURES")
WINDOW = {"width": 1280, "height": 1400}

THEMES = "@jupyterlab/apputils-extension/themes.jupyterlab-settings"
LANGUAGE = "@jupyterlab/translation-extension/plugin.jupyterlab-settings"
DARK = {THEMES: {"theme": "JupyterLab Dark"}}
CHINESE = {LANGUAGE: {"locale": "zh_CN"}}
ASKS_AGAIN_SOON = """
from jupyterlab_gpudock.nvml import isolated
# The reader has a process of its own, which begins with this program.
isolated._PROGRAM = isolated._PROGRAM.replace(
    " from jupyterlab_gpudock.nvml.child",
    " from jupyterlab_gpudock.nvml import reader;"
    " reader.REOPEN_SECONDS = reader.RELIST_SECONDS = 0.5;"
    " from jupyterlab_gpudock.nvml.child",
)
assert "RELIST_SECONDS" in isolated._PROGRAM
"""
"""A server's configuration, for tests of what is said and not of how long a driver is left alone
after a fault."""
SIMULATED = """
from jupyterlab_gpudock.nvml import isolated
isolated._PROGRAM = isolated._PROGRAM.replace(
    " from jupyterlab_gpudock.nvml.child",
    " import pathlib; from gpudock_nvml import simulated; simulated.STATE_FILE = pathlib.Path('/');"
    " from jupyterlab_gpudock.nvml.child",
)
assert "STATE_FILE" in isolated._PROGRAM
"""
"""A server's configuration with which its simulated GPUs are known to be simulated, as in a
container. Other tests take them for real ones."""

BUSY = {
    "utilization": 87,
    "temperature": 64,
    "power": 283.4,
    "memory_used_mib": 31_744,
    "clock_sm": 1380,
    "throttle": (),
}


@contextmanager
def open_pages(chromium: Browser, window: dict[str, int]) -> Iterator[Callable[[str], Page]]:
    """Open a page of a server in a new browser; a failure of the panel in it fails the test."""
    failures: list[str] = []
    contexts = []

    def follow(error: Any) -> None:
        # Notebook 7 has failures of its own.
        if "jupyterlab-gpudock" in (error.stack or ""):
            failures.append(error.stack)

    def go(address: str) -> Page:
        context = chromium.new_context(viewport=window, reduced_motion="reduce")
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", follow)
        page.goto(address)
        return page

    try:
        yield go
    finally:
        for context in contexts:
            context.close()
    assert failures == []


MOST_HEIGHT_OF_ROWS = 600
LOADING = 180_000
"""Milliseconds that JupyterLab, or a kernel, may take to start on a machine that is busy."""


def menu_entry(page: Page, menu: str, *entries: str) -> Locator:
    """Open a menu, or its submenus, and return an entry; while a page loads, menus close again."""
    bar = page.get_by_role("menuitem", name=menu, exact=True)
    expect(bar).to_be_visible(timeout=LOADING)
    *parents, entry = (page.locator(".lm-Menu-item").filter(has_text=text) for text in entries)

    def is_open() -> bool:
        try:
            bar.click(timeout=5000)
            for parent in parents:
                parent.click(timeout=2000)
            entry.wait_for(state="visible", timeout=2000)
        except PlaywrightTimeout:
            page.keyboard.press("Escape")
            return False
        return True

    until(page, is_open, f"the menu {menu} is open", 60)
    return entry


def open_lab(visit: Callable[[str], Page], url: str) -> tuple[Page, Locator]:
    """A JupyterLab with nothing of earlier tests, and its panel, open."""
    page = visit(f"{url}/lab?reset")
    return page, open_panel(page)


def open_panel(page: Page) -> Locator:
    """The panel of a JupyterLab that was just opened, once it is open."""
    expect(page.locator(".jp-LauncherCard").first).to_be_visible(timeout=LOADING)
    panel = page.locator("#jp-gpudock-panel")
    page.locator('.jp-SideBar [data-id="jp-gpudock-panel"]').click()
    expect(panel).to_be_visible()
    return panel


def keep(page: Page | Locator, name: str) -> None:
    """Save a picture of a state, if asked to."""
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png")


def serious_barriers(page: Page, *parts: str) -> list[str]:
    """What axe-core finds in parts of a page that keeps people out."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE.read_text())
    found = page.evaluate(
        "parts => axe.run({ include: parts.map(part => [part]) }, { resultTypes: ['violations'] })",
        list(parts),
    )
    return [
        f"{violation['id']}: {node['html']} {node['failureSummary']}"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def run_cell(page: Page, code: str) -> None:
    """Run code in the notebook's last cell."""
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").last.click()
    page.keyboard.insert_text(code)
    page.keyboard.press("Shift+Enter")


def open_notebook(page: Page) -> None:
    """Open a new notebook and wait for its kernel."""
    page.locator('.jp-LauncherCard[data-category="Notebook"]').first.click()
    expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=LOADING)


def is_seen(row: Locator) -> bool:
    """Whether a row of the panel is seen without scrolling."""
    box = row.bounding_box()
    return box is not None and box["y"] < MOST_HEIGHT_OF_ROWS


def until(page: Page, condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait for what the page's events tell: they come only while Playwright is waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"gave up waiting: {what}"
        page.wait_for_timeout(50)


def lease_that_ends(in_seconds: float, **changes: Any) -> dict[str, Any]:
    """What the server side says of a lease, as ``LeaseDocument`` of its contract."""
    now = time.time()
    return {
        "managed": True,
        "lease": "lease-7",
        "state": "ok",
        "message": "",
        "fetched_at": now,
        "now": now,
        "gpus": [],
        "ends_at": now + in_seconds,
        "ends_because": "time",
        "why": "",
        "can_extend": True,
        "extendable_until": None,
        "idle": {"limit_minutes": 30, "since": None, "ends_at": None},
        "quota": {
            "gpu_hours_limit": 40,
            "gpu_hours_used": 27.5,
            "gpu_hours_left": 12.5,
            "window_days": 7,
        },
        "queue_length": 3,
        "hub_home": "/hub/home",
        "desk": "/services/gpudock/",
        "can_restart": True,
        "restart_page": "/hub/spawn/ada?opt-again=1",
        **changes,
    }
