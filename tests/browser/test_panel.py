"""The GPU panel in a real JupyterLab and a real Notebook 7, over simulated GPUs; no engine, no Hub.

The extension is the built wheel, in an environment whose PATH has no Node.js. With
GPUDOCK_PANEL_PICTURES naming a folder, each state is saved there as a picture.
"""

from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from browser.panel_page import (
    ASKS_AGAIN_SOON,
    BUSY,
    CHINESE,
    DARK,
    LOADING,
    SIMULATED,
    WINDOW,
    is_seen,
    keep,
    lease_that_ends,
    menu_entry,
    open_lab,
    open_notebook,
    open_panel,
    run_cell,
    serious_barriers,
    until,
)
from simulator import Gpu, Host, Process

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Response, Route


@pytest.fixture(scope="module")
def single(serve: Callable[..., Any]) -> tuple[str, Host]:
    return serve(Gpu.of_model("A100", **BUSY), config=ASKS_AGAIN_SOON)


@pytest.fixture(scope="module")
def eight(serve: Callable[..., Any]) -> tuple[str, Host]:
    gpus = [Gpu.of_model("A100", place, utilization=10 * place) for place in range(8)]
    return serve(*gpus, settings=DARK)


@pytest.fixture(scope="module")
def divided(serve: Callable[..., Any]) -> tuple[str, Host]:
    return serve(Gpu.of_model("A100", slices=("1g.5gb", "2g.10gb")), settings=CHINESE)


def test_the_front_end_is_at_most_60_kb(installed_panel):
    files = (installed_panel / "share/jupyter/labextensions/jupyterlab-gpudock").rglob("*.js*")
    sizes = {file.name: len(gzip.compress(file.read_bytes())) for file in files}
    assert "settings.json" in sizes
    assert sum(sizes.values()) <= 60_000, sizes


def test_a_gpu_is_a_card_and_a_status(single, visit):
    url, _ = single
    page, panel = open_lab(visit, url)
    card = panel.get_by_role("region", name="cuda:0: A100-SXM4-40GB")
    for part in ("87 %", "31.0 / 40.0 GiB", "64 °C", "283 / 400 W", "1380 / 1410 MHz"):
        expect(card).to_contain_text(part)
    expect(card.get_by_role("img", name=re.compile("^Power over the last"))).to_be_visible()
    status = page.get_by_role("button", name="A100 · 31/40 GB · 87 %")
    expect(status).to_be_visible()
    expect(panel).to_contain_text("Not usable with torch")
    keep(page, "one-light")
    assert serious_barriers(page, "#jp-gpudock-panel", ".jp-GPUDock-status") == []


def test_the_status_bar_tells_of_the_gpu_and_opens_the_panel(single, visit):
    url, _ = single
    page = visit(f"{url}/lab?reset")
    page.get_by_role("button", name="A100 · 31/40 GB · 87 %").click()
    expect(page.locator("#jp-gpudock-panel")).to_be_visible()


def test_a_closed_panel_has_no_connection_and_an_open_one_has_one(single, visit):
    url, _ = single
    page = visit("about:blank")
    open_streams: set[object] = set()

    def follow(socket: Any) -> None:
        if "/gpudock/" in socket.url:
            open_streams.add(socket)
            socket.on("close", lambda: open_streams.discard(socket))

    page.on("websocket", follow)
    page.goto(f"{url}/lab?reset")
    tab = page.locator('.jp-SideBar [data-id="jp-gpudock-panel"]')
    expect(page.get_by_role("button", name="A100 · 31/40 GB · 87 %")).to_be_visible()
    assert len(open_streams) == 0
    tab.click()
    expect(page.locator("#jp-gpudock-panel")).to_contain_text("87 %")
    until(page, lambda: open_streams, "the panel has a stream")
    expect(page.get_by_role("button", name="A100 · 31/40 GB · 87 %")).to_be_visible()
    assert len(open_streams) == 1
    tab.click()
    expect(page.locator("#jp-gpudock-panel")).to_be_hidden()
    until(page, lambda: not open_streams, "the stream is closed")


@pytest.mark.parametrize(
    ("name", "title", "advice"),
    [
        ("lost", "GPU lost", "Save your work"),
        ("no-driver", "No NVIDIA driver", "install the driver"),
        ("none", "No GPU on this machine", "start it with access to a GPU"),
    ],
)
def test_a_gpu_that_goes_away_is_explained_and_comes_back(single, visit, name, title, advice):
    url, host = single
    page, panel = open_lab(visit, url)
    expect(panel).to_contain_text("87 %")
    go, come_back = {
        "lost": (
            lambda: host.simulator.update(0, fault="lost"),
            lambda: host.simulator.update(0, fault=None),
        ),
        "no-driver": (
            lambda: host.simulator.update_system(fault="driver_not_loaded"),
            lambda: host.simulator.update_system(fault=None),
        ),
        "none": (lambda: host.hide("nvidia0"), lambda: host.show("nvidia0")),
    }[name]
    go()
    try:
        if name == "none":
            # A driver lists its devices when it is opened: a new server would see none.
            host.simulator.update_system(fault="driver_not_loaded")
            expect(panel).to_contain_text("No NVIDIA driver")
            host.simulator.update_system(fault=None)
        expect(panel).to_contain_text(title)
        expect(panel).to_contain_text(advice)
        expect(panel.get_by_role("meter")).to_have_count(0)
        keep(page, name)
        assert serious_barriers(page, "#jp-gpudock-panel") == []
    finally:
        come_back()
        host.simulator.update_system(fault="driver_not_loaded")
        expect(panel).to_contain_text("No NVIDIA driver")
        host.simulator.update_system(fault=None)
    expect(panel).to_contain_text("87 %")


def test_the_live_state_of_a_kernel_is_asked_without_a_trace(single, visit):
    url, _ = single
    page, panel = open_lab(visit, url)
    kernel = panel.get_by_role("region", name="Active kernel")
    expect(kernel).to_contain_text("Open a notebook or a console")
    open_notebook(page)
    expect(kernel).to_contain_text("torch is not loaded in this kernel.")
    run_cell(page, "import torch")
    expect(kernel).to_contain_text("torch is loaded")
    expect(kernel).to_contain_text("cuDNN benchmarkon")
    keep(page, "kernel")
    prompts = page.locator(".jp-Notebook .jp-InputArea-prompt")
    expect(prompts.first).to_have_text("[1]:")
    run_cell(page, "sorted(name for name in dir() if 'gpudock' in name), In[-3:]")
    expect(prompts.nth(1)).to_have_text("[2]:")
    expect(page.locator(".jp-OutputArea-output").last).to_contain_text("([], ['', 'import torch',")


def test_a_busy_kernel_is_not_asked(single, visit):
    url, _ = single
    page, panel = open_lab(visit, url)
    kernel = panel.get_by_role("region", name="Active kernel")
    open_notebook(page)
    run_cell(page, "import torch")
    expect(kernel).to_contain_text("torch is loaded")
    run_cell(page, "import threading; threading.Event().wait()")
    expect(kernel).to_contain_text("The kernel is busy")
    expect(kernel.get_by_role("button", name="Release cached memory")).to_be_disabled()
    keep(page, "busy")
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_role("menuitem", name=re.compile("Interrupt Kernel")).click()
    expect(kernel).to_contain_text("torch is loaded")


def test_a_process_leads_to_its_notebook_and_its_kernel_can_be_shut_down(single, visit):
    url, host = single
    page, panel = open_lab(visit, url)
    open_notebook(page)
    run_cell(page, "import os; print('pid', os.getpid())")
    output = page.locator(".jp-OutputArea-output").last
    expect(output).to_contain_text("pid")
    pid = int(output.inner_text().split()[-1])
    host.simulator.update(0, processes=(Process(pid, used_mib=2048), Process(4_000_000)))
    try:
        title = page.locator(".jp-mod-current .lm-TabBar-tabLabel").first.inner_text()
        process = panel.locator(".jp-GPUDock-process").filter(has_text=title)
        expect(process).to_contain_text("2.0 GiB")
        expect(process).to_contain_text("notebook")
        expect(panel.locator(".jp-GPUDock-process")).to_have_count(2)
        keep(page, "processes")
        assert serious_barriers(page, "#jp-gpudock-panel") == []
        menu_entry(page, "File", "New Launcher").click()
        process.get_by_role("button", name=title, exact=True).click()
        expect(page.locator(".jp-Notebook")).to_be_visible()
        process.get_by_role("button", name=f"Shut down the kernel of {title}").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("its variables are lost")
        dialog.get_by_role("button", name="Shut down").click()
        expect(page.locator("#jp-main-statusbar")).to_contain_text("No Kernel")
    finally:
        host.simulator.update(0, processes=())


def test_eight_gpus_are_rows_that_open_by_keyboard(eight, visit):
    url, _ = eight
    page, panel = open_lab(visit, url)
    rows = panel.get_by_role("button", name=re.compile(r"^cuda:\d: A100"))
    expect(rows).to_have_count(8)
    expect(panel.locator(".jp-GPUDock-row").nth(7)).to_contain_text("70 %")
    until(page, lambda: is_seen(rows.nth(7)), "all GPUs are seen at once")
    expect(page.get_by_role("button", name=re.compile(r"^8 × A100 · "))).to_be_visible()
    keep(page, "eight-dark")
    rows.nth(2).focus()
    page.keyboard.press("Enter")
    expect(rows.nth(2)).to_have_attribute("aria-expanded", "true")
    expect(panel).to_contain_text("/ 400 W")
    keep(page, "eight-dark-open")
    assert serious_barriers(page, "#jp-gpudock-panel", ".jp-GPUDock-status") == []


def test_slices_are_told_with_their_profiles_in_chinese(divided, visit):
    url, _ = divided
    page = visit(f"{url}/lab?reset")
    page.locator('.jp-SideBar [data-id="jp-gpudock-panel"]').click()
    panel = page.locator("#jp-gpudock-panel")
    expect(panel.get_by_role("region", name=re.compile("^MIG 0:1："))).to_contain_text(
        "MIG 2g.10gb"
    )
    for words in ("显存", "软件栈", "当前内核", "torch 不可用：此环境中未安装 torch。", "运行检测"):
        expect(panel).to_contain_text(words)
    keep(page, "mig-chinese")
    assert serious_barriers(page, "#jp-gpudock-panel") == []


def saves_left_area(answer: Response, *, collapsed: bool) -> bool:
    """Whether this is the answer to JupyterLab's saving that its left area is so."""
    request = answer.request
    if "/api/workspaces/" not in request.url or request.method != "PUT":
        return False
    layout = (request.post_data_json or {}).get("data", {}).get("layout-restorer:data", {})
    return layout.get("left", {}).get("collapsed") is collapsed


def test_the_panel_is_where_it_was_after_a_reload(single, visit):
    url, _ = single
    page, panel = open_lab(visit, url)
    expect(panel).to_contain_text("87 %")
    with page.expect_response(lambda answer: saves_left_area(answer, collapsed=True)):
        page.keyboard.press("Control+b")
    with page.expect_response(lambda answer: saves_left_area(answer, collapsed=False)):
        page.locator('.jp-SideBar [data-id="jp-gpudock-panel"]').click()
    page.goto(f"{url}/lab")
    expect(panel).to_contain_text("87 %")


def test_a_check_without_torch_says_why_there_is_nothing_to_measure(single, visit):
    url, _ = single
    page, panel = open_lab(visit, url)
    panel.get_by_role("button", name="Run a check").click()
    check = panel.get_by_role("region", name="GPU check")
    expect(check).to_contain_text(re.compile("torch|CUDA"))
    expect(check.get_by_role("button", name="Run a check")).to_be_visible()
    keep(page, "check")


def test_the_palette_has_what_the_panel_does(single, visit):
    url, _ = single
    page = visit(f"{url}/lab?reset")
    expect(page.locator(".jp-LauncherCard").first).to_be_visible()
    page.keyboard.press("Control+Shift+c")
    palette = page.get_by_role("dialog").or_(page.locator("#modal-command-palette"))
    page.locator(".lm-CommandPalette-input").fill("gpu")
    for label in (
        "Show GPU Panel",
        "Run a GPU Check",
        "Release Cached GPU Memory of the Active Kernel",
        "Shut Down a Kernel That Uses GPU Memory…",
        "Check the GPU Software Stack Again",
    ):
        expect(palette.get_by_text(label, exact=True).first).to_be_visible()
    expect(palette.get_by_text("Extend the GPU Session")).to_have_count(0)


def test_a_session_is_shown_warned_of_and_extended(single, visit):
    url, _ = single
    page = visit("about:blank")
    lease = lease_that_ends(14.5 * 60)

    def answer(route: Route) -> None:
        if route.request.url.split("?")[0].endswith("/extend"):
            lease.update(lease_that_ends(5 * 3600 + 90))
        route.fulfill(json=lease)

    page.route("**/gpudock/api/lease**", answer)
    page.goto(f"{url}/lab?reset")
    warning = page.locator(".Toastify__toast, .jp-toast").filter(has_text="This GPU session")
    expect(warning).to_contain_text("ends in 15 min")
    page.locator('.jp-SideBar [data-id="jp-gpudock-panel"]').click()
    session = page.locator("#jp-gpudock-panel").get_by_role("region", name="Session")
    for part in ("14 min", "ends soon", "12.5 of 40 h in 7 days", "3 people", "in use"):
        expect(session).to_contain_text(part)
    keep(page, "session")
    assert serious_barriers(page, "#jp-gpudock-panel") == []
    session.get_by_role("button", name="Extend").click()
    expect(session).to_contain_text("5 h 1 min")
    session.get_by_role("button", name="Stop server…").click()
    expect(page.get_by_role("dialog")).to_contain_text("what is only in memory is lost")
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()


def test_the_panel_works_in_notebook_7(serve, visit):
    url, _ = serve(Gpu.of_model("A100", **BUSY), application="notebook")
    notebook = visit(f"{url}/notebooks/paper.ipynb")
    menu_entry(notebook, "View", "Right Sidebar", "Show GPU").click()
    panel = notebook.locator("#jp-gpudock-panel")
    expect(panel).to_contain_text("31.0 / 40.0 GiB")
    expect(panel.get_by_role("region", name="Active kernel")).to_contain_text("torch is not loaded")
    keep(notebook, "notebook-7")
    assert serious_barriers(notebook, "#jp-gpudock-panel") == []


@pytest.mark.parametrize(
    ("settings", "name", "words", "check"),
    [
        ({}, "A100-SXM4-40GB (simulated)", "This GPU is simulated: ", "GPU check"),
        (CHINESE, "A100-SXM4-40GB（模拟）", "此 GPU 是模拟的：", "GPU 检测"),
    ],
)
def test_a_simulated_gpu_says_what_that_means(serve, visit, settings, name, words, check):
    url, _ = serve(Gpu.of_model("A100", **BUSY), settings=settings, config=SIMULATED)
    page, panel = open_lab(visit, url)
    expect(panel.get_by_role("heading", name=name)).to_be_visible()
    expect(panel.locator("[data-code='simulated']")).to_contain_text(words)
    expect(panel).not_to_contain_text("CUDA_VISIBLE_DEVICES")
    card = panel.get_by_role("region", name=check)
    expect(card).to_contain_text(words)
    expect(card.get_by_role("button")).to_be_disabled()
    status = page.locator(".jp-GPUDock-status")
    expect(status).to_contain_text("A100" + name.removeprefix("A100-SXM4-40GB"))
    keep(page, f"simulated-{check}")
    assert serious_barriers(page, "#jp-gpudock-panel", ".jp-GPUDock-status") == []


def test_jupyterlab_has_the_language_of_the_browser_until_another_is_chosen(serve, chromium):
    url, _ = serve(Gpu.of_model("A100", **BUSY))
    context = chromium.new_context(locale="zh-CN", viewport=WINDOW, reduced_motion="reduce")
    page = context.new_page()
    loads: list[str] = []
    page.on("load", lambda page: loads.append(page.url))
    page.goto(f"{url}/lab?reset")
    expect(page.get_by_role("menuitem", name="文件")).to_be_visible(timeout=LOADING)
    panel = open_panel(page)
    expect(panel).to_contain_text("软件栈")
    keep(page, "jupyterlab-chinese")
    assert len(loads) == 1, "the page is loaded in this language, not reloaded for it"
    menu_entry(page, "设置", "语言", "English").click()
    page.get_by_role("dialog").get_by_role("button", name="更改并重新加载").click()
    expect(page.get_by_role("menuitem", name="File", exact=True)).to_be_visible(timeout=LOADING)
    page.goto(f"{url}/lab")
    expect(page.get_by_role("menuitem", name="File", exact=True)).to_be_visible(timeout=LOADING)
    context.close()
