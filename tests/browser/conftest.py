"""Chromium before the whole lab; a failing test reports what its pages showed."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Error, expect, sync_playwright

from browser.panel_gallery import open_gallery
from browser.panel_page import CHECKOUT, open_pages
from browser.panel_page import WINDOW as PANEL_WINDOW
from browser.person import Person
from doubles.docker import FakeDocker
from harness.hub_process import HubProcess
from harness.panel_server import install_extension, panel_server, prepare_home
from simulator import Host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page

    from browser.panel_gallery import Gallery
    from gpudock.model import GPUReading
    from harness.lab import Lab
    from simulator import Gpu

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WINDOW = {"width": 1280, "height": 800}
_SHOWN_CHARACTERS = 3000

# Taking the documentation's pictures is a test only on request.
collect_ignore = [] if os.environ.get("GPUDOCK_SCREENSHOTS") == "1" else ["test_pictures.py"]

_contexts: list[BrowserContext] = []
_said: dict[BrowserContext, list[str]] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser/" in str(item.path):
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        folder = item.config.rootpath / "test-results"
        pages = [page for context in _contexts for page in context.pages]
        for number, page in enumerate(pages):
            file = folder / f"{item.name}-{number}.png"
            report.sections.append((f"page {page.url}", _describe(page, file)))
    return report


def _describe(page: Page, file: Path) -> str:
    try:
        page.screenshot(path=file)
        text = page.inner_text("body")[:_SHOWN_CHARACTERS]
    except Error as error:
        return f"It cannot be looked at: {error}"
    said = "\n".join(_said[page.context]) or "nothing"
    return f"screenshot: {file}\n{text}\n\nits console said: {said}"


@pytest.fixture(scope="module")
def lab(lab: Lab) -> Iterator[Lab]:
    """The whole lab, which a module finds, and leaves, with nobody's servers in it."""
    lab.clean_up()
    yield lab
    lab.clean_up()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def newcomer(chromium: Browser) -> Iterator[Callable[..., Person]]:
    """Seat a person, who is not signed in, at a browser of their own until the test's end."""
    with _seats(chromium) as seat:
        yield seat


@pytest.fixture(scope="module")
def resident(chromium: Browser) -> Iterator[Callable[..., Person]]:
    """Seat a person at a browser of their own for all tests of a module."""
    with _seats(chromium) as seat:
        yield seat


@contextmanager
def _seats(chromium: Browser) -> Iterator[Callable[..., Person]]:
    opened: list[BrowserContext] = []

    def seat(name: str, url: str, **look: Any) -> Person:
        usual = {"viewport": WINDOW, "reduced_motion": "reduce"}
        context = chromium.new_context(**{**usual, **look})
        said = _said[context] = []
        context.on(
            "console",
            lambda message: said.append(message.text) if message.type == "error" else None,
        )
        context.on("weberror", lambda error: said.append(str(error.error)))
        opened.append(context)
        _contexts.append(context)
        return Person(name, url, context)

    yield seat
    for context in opened:
        _contexts.remove(context)
        del _said[context]
        context.close()


@pytest.fixture(scope="session")
def installed_panel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The GPU panel as people get it."""
    target = tmp_path_factory.mktemp("extension")
    install_extension(CHECKOUT, target)
    return target


@contextmanager
def _servers(
    installed_panel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., tuple[str, Host]]]:
    with ExitStack() as running:

        def start(
            *gpus: Gpu,
            host: Host | None = None,
            settings: dict[str, Any] | None = None,
            kernels: dict[str, Any] | None = None,
            config: str = "",
            options: tuple[str, ...] = (),
            application: str = "jupyterlab",
        ) -> tuple[str, Host]:
            home = tmp_path_factory.mktemp("server")
            prepare_home(home, settings or {}, kernels or {}, config)
            host = host or Host(home / "host").create(*gpus)
            server = panel_server(
                installed_panel, home, host.environment, *options, application=application
            )
            return running.enter_context(server), host

        yield start


@pytest.fixture(scope="module")
def serve(
    installed_panel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., tuple[str, Host]]]:
    """Start a Jupyter server with the panel over these GPUs, which runs until the module's end."""
    with _servers(installed_panel, tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="session")
def gallery(
    installed_panel: Path, chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gallery]:
    """The panel in English and in Chinese, side by side."""
    with (
        _servers(installed_panel, tmp_path_factory) as serve,
        open_gallery(serve, chromium, tmp_path_factory.mktemp("gallery")) as gallery,
    ):
        yield gallery


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[[str], Page]]:
    """Open a page of a server in a new browser; a failure of the panel in it fails the test."""
    with open_pages(chromium, PANEL_WINDOW) as go:
        yield go


@pytest.fixture(scope="module")
def new_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., HubProcess]]:
    """Start hubs, each with an engine of its own."""
    made: list[HubProcess] = []

    def make(*readings: GPUReading, **settings: str) -> HubProcess:
        directory = tmp_path_factory.mktemp("hub")
        hub = HubProcess(directory, FakeDocker(directory, readings), **settings)
        made.append(hub)
        return hub.start()

    yield make
    for hub in made:
        hub.docker.close()
        hub.stop()
