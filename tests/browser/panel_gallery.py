"""The GPU panel before two people at once, one of whom reads Chinese, over the same GPUs."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from browser.panel_page import (
    ASKS_AGAIN_SOON,
    BUSY,
    CHINESE,
    keep,
    lease_that_ends,
    open_pages,
    open_panel,
    serious_barriers,
)
from doubles.torch import StandInTorch
from simulator import Gpu, Host, System
from simulator.cdi import node_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page, Route

WINDOW = {"width": 1000, "height": 2200}
NARROW, WIDE = 200, 420
DARK_STYLE = "@jupyterlab/theme-dark-extension/index.css"
PUT_ON = """async ([theme, address]) => {
    let link = document.getElementById('gallery-dark');
    if (link === null) {
        link = document.createElement('link');
        Object.assign(link, { id: 'gallery-dark', rel: 'stylesheet', href: address });
        const loaded = new Promise((resolve, reject) =>
            Object.assign(link, { onload: resolve, onerror: reject }));
        document.body.append(link);
        await loaded;
    }
    link.sheet.disabled = theme !== 'dark';
    document.body.dataset.jpThemeLight = String(theme !== 'dark');
}"""
UNMANAGED = lease_that_ends(
    0,
    managed=False,
    lease=None,
    state="unmanaged",
    ends_at=None,
    ends_because=None,
    can_extend=False,
    hub_home=None,
    desk=None,
    can_restart=False,
    restart_page=None,
)
ENGLISH = r"[A-Za-z']{2,}[,;:]? [a-z']{2,}([,;:]? [A-Za-z']+|[.!?])"
"""Three Latin words in a row, or two and a full stop: a name is shorter, a sentence is not."""


@dataclass
class View:
    """The panel in one language, and what it knows of the session."""

    page: Page
    panel: Locator
    address: str
    language: str
    lease: dict[str, Any] = field(default_factory=lambda: dict(UNMANAGED))
    width: int = 0

    def answer(self, route: Route) -> None:
        """Answer as the server side does for the session."""
        route.fulfill(json=self.lease)

    def region(self, name: str | re.Pattern[str]) -> Locator:
        return self.panel.get_by_role("region", name=name)

    def reload(self) -> None:
        """Load the page again, so that nothing of what was shown before stays."""
        self.start_again()
        self.await_start()

    def start_again(self) -> None:
        """Load the page again, and do not wait."""
        self.page.goto(f"{self.address}/lab?reset", wait_until="commit")

    def await_start(self) -> None:
        """Wait until JupyterLab is there, and open the panel."""
        # A page that is left while its theme is on its way complains of that.
        expect(self.page.locator("body")).to_have_attribute("data-jp-theme-name", re.compile("."))
        self.wait_for_theme()
        self.panel = open_panel(self.page)
        self.widen_sidebar(WIDE)

    def wait_for_theme(self) -> None:
        """Wait until JupyterLab, which is hidden while it changes its theme, is seen again."""
        expect(self.page.locator("#jupyterlab-splash")).to_have_count(0)
        expect(self.page.locator("#jp-main-split-panel")).to_be_visible()

    def put_on(self, theme: str) -> None:
        """Put a theme's style sheet over the light one, as JupyterLab's theme manager does.

        The manager would hide the page for a second each time.
        """
        self.page.evaluate(PUT_ON, [theme, f"{self.address}/lab/api/themes/{DARK_STYLE}"])

    def set_width(self, width: int) -> None:
        """Set the panel's width; JupyterLab's own narrowest sidebar has 250 pixels."""
        self.panel.locator(".jp-GPUDock-panel").evaluate(
            "(panel, width) => Object.assign(panel.style,"
            " { boxSizing: 'border-box', width: `${width}px` })",
            width,
        )

    def widen_sidebar(self, width: int) -> None:
        """Draw the sidebar's edge to where the panel has this width."""
        handle = self.page.locator("#jp-main-split-panel > .lm-SplitPanel-handle").first
        expect(handle).to_be_visible()
        edge, box = handle.bounding_box(), self.panel.bounding_box()
        assert edge is not None
        assert box is not None
        middle, y = edge["x"] + edge["width"] / 2, edge["y"] + 400
        self.page.mouse.move(middle, y)
        self.page.mouse.down()
        self.page.mouse.move(middle + width - box["width"], y, steps=2)
        self.page.mouse.up()
        self.page.mouse.move(900, 30)
        self.page.wait_for_function(
            "width => Math.abs(document.querySelector('#jp-gpudock-panel')"
            ".getBoundingClientRect().width - width) <= 4",
            arg=width,
        )

    def look(self, name: str, theme: str) -> None:
        """Look at a state in a theme, in a narrow and in a wide sidebar."""
        for width in (NARROW, WIDE):
            self.set_width(width)
            assert overflowing(self.panel) == [], f"{name}, {width} pixels wide"
            if self.language == "chinese":
                assert english_in(self.panel) == [], name
            keep(self.panel, f"{name}-{self.language}-{theme}-{width}")
        barriers = serious_barriers(self.page, "#jp-gpudock-panel", ".jp-GPUDock-status")
        assert barriers == [], f"{name}, {theme}"


def overflowing(panel: Locator) -> list[str]:
    """The texts and fields in the panel that stick out of it."""
    return panel.evaluate(
        """outer => [outer.querySelector('.jp-GPUDock-panel')]
            .flatMap(panel => [...panel.querySelectorAll('*')]
            .filter(node => !node.closest('svg') && node.getClientRects().length > 0)
            .filter(node => node.getBoundingClientRect().right
                > panel.getBoundingClientRect().right + 0.5)
            .map(node => node.outerHTML.slice(0, 200)))"""
    )


def english_in(part: Locator) -> list[str]:
    """The English that a part of a page says, but for the words of programs and names."""
    return part.evaluate(
        """(part, english) => {
            const texts = [part, ...part.querySelectorAll('*')]
                .filter(node => !node.closest('[lang=en], option'))
                .flatMap(node => [
                    ...['aria-label', 'title', 'aria-valuetext']
                        .map(name => node.getAttribute(name)),
                    ...[...node.childNodes].filter(child => child.nodeType === 3)
                        .map(child => child.textContent)
                ]);
            return texts.filter(text => text && new RegExp(english).test(text));
        }""",
        ENGLISH,
    )


@dataclass
class Gallery:
    """The same simulated GPUs before two people."""

    host: Host
    torch: StandInTorch
    """What the default kernel, "PyTorch", imports."""
    english: View
    chinese: View

    @property
    def views(self) -> tuple[View, View]:
        return self.english, self.chinese

    def show(self, *gpus: Gpu, **system: Any) -> None:
        """Exchange the GPUs, and wait until a panel that is opened again would show them.

        The driver goes away meanwhile: a server lists its GPUs again when it comes back.
        """
        self.host.simulator.update_system(fault="driver_not_loaded", hang=None, slow={})
        for view in self.views:
            expect(view.panel.locator("[data-uuid]")).to_have_count(0)
        for node in [node for node in self.host.devices.rglob("*") if node.is_file()]:
            node.unlink()
        self.host.simulator.create(gpus, System(fault="driver_not_loaded"))
        for gpu in self.host.simulator.gpus:
            for name in node_names(gpu):
                self.host.show(name)
        self.host.simulator.update_system(**{"fault": None, **system})

    def tell(self, lease: dict[str, Any] | None = None) -> None:
        """Set what the server side says of the session, to pages that are opened again."""
        for view in self.views:
            view.lease = lease or dict(UNMANAGED)
            view.start_again()
        for view in self.views:
            view.await_start()

    def look(self, name: str) -> None:
        """Look at a state with both people's eyes, from all sides."""
        for view in self.views:
            for theme in ("dark", "light"):
                view.put_on(theme)
                view.look(name, theme)


@contextmanager
def open_gallery(serve: Callable[..., Any], chromium: Browser, folder: Path) -> Iterator[Gallery]:
    """Two servers over one simulated A100, with a page each."""
    usable = StandInTorch(folder / "usable", "PyTorch")
    newer = StandInTorch(folder / "newer", "PyTorch for CUDA 13", cuda="13.0", available=False)
    about = {
        "kernels": {"usable": usable.spec, "newer": newer.spec},
        "config": ASKS_AGAIN_SOON + "c.GPUDock.interval_s = 0.5",
        "options": ("--MultiKernelManager.default_kernel_name=usable",),
    }
    url, host = serve(Gpu.of_model("A100", **BUSY), **about)
    other, _ = serve(host=host, settings=CHINESE, **about)
    with open_pages(chromium, WINDOW) as visit:
        views = []
        for language, address in (("english", url), ("chinese", other)):
            page = visit("about:blank")
            view = View(page, page.locator("#jp-gpudock-panel"), address, language)
            page.route("**/gpudock/api/lease**", view.answer)
            view.reload()
            views.append(view)
        english, chinese = views
        yield Gallery(host, usable, english, chinese)
