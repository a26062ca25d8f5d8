"""Takes the pictures of the documentation, with ``GPUDOCK_SCREENSHOTS=1 make test-browser``."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from browser.person import CELL
from harness.hub_client import HubClient
from simulator import Wave

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from browser.person import Person
    from harness.lab import Lab

IMAGES = Path(__file__).parents[2] / "docs" / "images"
MARGIN = 24
HISTORY = 60  # seconds of the sidebar's utilization chart
CODE = """import torch

print("torch", torch.__version__, "with cuDNN", torch.backends.cudnn.version())"""
NEIGHBORS = ("alan", "barbara", "donald", "edsger", "frances", "grace", "hedy", "ida")


def test_the_pictures_of_the_documentation(lab: Lab, newcomer: Callable[..., Person]):
    names = ("ada", *NEIGHBORS[: len(lab.simulator.gpus)])
    # A lab that is used again still has the users of the last run.
    run = secrets.token_hex(2)
    ada, *neighbors = (newcomer(f"{name}-{run}", lab.url) for name in names)
    for person in (ada, *neighbors):
        person.sign_up()
        lab.admin.authorize(person.name)
    first, *others, last = neighbors

    _start(first)
    ada.sign_in()
    ada.fill_in_form(gpus=1)
    _save(ada.page, "spawn-form", "h1", ".feedback-container")
    ada.start_button.click()
    ada.wait_for_lab()
    (uuid,) = ada.gpus_in_sidebar()
    busy = {"memory_used_mib": 31_400, "temperature": 63, "power": 287}
    lab.simulator.update(uuid, utilization=Wave(61, 96, 23), **busy)
    ada.open_notebook()
    expect(ada.run_cell(CODE)).to_contain_text("90100", timeout=CELL)
    ada.page.wait_for_function(
        "points => document.querySelector('.jp-GPUDock-sparkline path')"
        "?.getAttribute('d').split('L').length > points",
        arg=HISTORY,
        timeout=3000 * HISTORY,
    )
    stack = ada.open_sidebar().get_by_label("Software stack")
    expect(stack).to_contain_text("2.6.0+cu124", timeout=CELL)
    _save(ada.page, "jupyterlab")

    for person in others:
        _start(person)
    last.sign_in()
    last.fill_in_form(gpus=1)
    last.start_button.click()
    expect(last.page.locator("#progress-message")).to_contain_text("You are number 1")
    _save(last.page, "waiting", "h1", "#progress-details")

    ada.open("/services/gpudock/")
    expect(ada.page.get_by_text("Time left").first).to_be_visible()
    _save(ada.page, "desk-mine")
    admin = newcomer(lab.admin.name, lab.url)
    admin.password = lab.admin.password
    admin.fill_in_sign_in()
    admin.open("/services/gpudock/lab")
    expect(admin.page.get_by_text(ada.name).first).to_be_visible()
    _save(admin.page, "desk-lab")
    admin.open("/services/gpudock/quotas")
    expect(admin.page.get_by_text(ada.name).first).to_be_visible()
    _save(admin.page, "desk-quotas")


def _start(person: Person) -> None:
    HubClient(person.url, person.name, person.password).sign_in().start_server(gpus=1)


def _save(page: Page, name: str, first: str = "", last: str = "") -> None:
    """Save a picture of the page, or of the part between two of its elements."""
    clip = None
    if first:
        top, bottom = (page.locator(which).first.bounding_box() for which in (first, last))
        assert top is not None
        assert bottom is not None
        left = min(top["x"], bottom["x"]) - MARGIN
        clip = {
            "x": left,
            "y": top["y"] - MARGIN,
            "width": page.viewport_size["width"] - 2 * left,
            "height": bottom["y"] + bottom["height"] - top["y"] + 2 * MARGIN,
        }
    page.mouse.move(0, 0)
    page.screenshot(path=IMAGES / f"{name}.png", clip=clip, full_page=clip is not None)
