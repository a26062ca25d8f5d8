"""A check from its button in the panel to the program that measures and back, over simulated GPUs.

JupyterLab, server, the check's process and its program are real. torch is a fake whose time is
a sum of costs, so the ratios are known: simulated GPUs have no CUDA. What a real GPU gives
is in ``tests/gpu``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from browser.panel_page import BUSY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Locator

    from browser.panel_gallery import Gallery, View

RUN = re.compile("^(Run a check|运行检测)$")
CANCEL = re.compile("^(Cancel|取消)$")


@pytest.fixture
def gallery(gallery: Gallery) -> Iterator[Gallery]:
    """The two pages, with a torch that behaves and no check that runs."""
    yield gallery
    gallery.torch.become(hold="", import_error="", conv_error="", free_mib=30_000)
    gallery.host.simulator.update(0, memory_used_mib=BUSY["memory_used_mib"])
    for view in gallery.views:
        expect(view.panel).to_contain_text("31.0 / 40.0 GiB")
        expect(card(view).get_by_role("button", name=RUN)).to_be_enabled()


def card(view: View) -> Locator:
    return view.region(re.compile("^(GPU check|GPU 检测)$"))


def run(view: View) -> None:
    card(view).get_by_role("button", name=RUN).click()


def test_a_check_tells_its_progress_and_then_what_it_measured(gallery):
    gallery.torch.become(hold="bf16")
    for view in gallery.views:
        run(view)
        progress = card(view).get_by_role("progressbar")
        expect(progress).to_have_attribute("aria-valuenow", "40")
    expect(card(gallery.english)).to_contain_text("bfloat16measuring…")
    expect(card(gallery.english)).to_contain_text("TF32waiting")
    expect(card(gallery.chinese)).to_contain_text("正在测量…")
    gallery.look("check-running")
    gallery.torch.become(hold="")
    for words in (
        "Measured on this GPU with the kernel PyTorch:",
        "Convolution with cuDNN3.4 times as fast as without it",
        "with cuDNN: 1.00 ms, without: 3.42 ms",
        "float168.0 times as fast as float32",
        "bfloat168.0 times as fast as float32",
        "TF324.0 times as fast as float32",
        "pinned memory is 2.5 times as fast as pageable",
        "to the GPU, pinned: 13.4 GB/s",
    ):
        expect(card(gallery.english)).to_contain_text(words)
    expect(card(gallery.chinese)).to_contain_text("速度为不使用时的 3.4 倍")
    gallery.look("check-done")
    gallery.english.reload()
    expect(card(gallery.english)).to_contain_text("3.4 times as fast as without it")


def test_a_check_is_cancelled(gallery):
    gallery.torch.become(hold="cudnn")
    for view, words in (
        (gallery.english, "The check was cancelled."),
        (gallery.chinese, "检测已取消。"),
    ):
        run(view)
        expect(card(view).locator("[data-state='running']")).to_be_visible()
        card(view).get_by_role("button", name=CANCEL).click()
        expect(card(view)).to_contain_text(words)
        expect(card(view).get_by_role("progressbar")).to_have_count(0)
    expect(card(gallery.english)).to_contain_text("not finished")
    gallery.look("check-cancelled")


def test_a_check_for_which_the_gpu_has_no_memory_is_refused_with_figures(gallery):
    gallery.host.simulator.update(0, memory_used_mib=40_000)
    for view in gallery.views:
        expect(view.panel).to_contain_text("39.1 / 40.0 GiB")
        run(view)
        expect(card(view)).to_contain_text(re.compile("960 MiB.*1200 MiB"))
    gallery.look("check-refused")


def test_a_check_for_which_cuda_has_no_memory_is_refused_with_figures(gallery):
    gallery.torch.become(free_mib=100)
    for view in gallery.views:
        run(view)
        expect(card(view)).to_contain_text(re.compile("100 MiB.*1200 MiB"))


def test_a_torch_that_does_not_load_is_told_in_its_own_words(gallery):
    words = "libcudnn.so.9: cannot open shared object file"
    gallery.torch.become(import_error=words)
    for view, said in (
        (gallery.english, "installed but does not load"),
        (gallery.chinese, "无法加载"),
    ):
        run(view)
        expect(card(view)).to_contain_text(said)
        expect(card(view).locator("samp[lang='en']")).to_have_text(words)
    gallery.look("check-broken")


def test_a_step_that_fails_keeps_no_other_from_being_measured(gallery):
    gallery.torch.become(conv_error="CUDNN_STATUS_NOT_INITIALIZED")
    for view, failed in ((gallery.english, "failed"), (gallery.chinese, "失败")):
        run(view)
        step = card(view).locator("[data-state='failed']")
        expect(step).to_contain_text(failed)
        quote = step.locator("samp[lang='en']")
        expect(quote).to_have_text("RuntimeError: CUDNN_STATUS_NOT_INITIALIZED")
        expect(card(view).locator("[data-state='done']")).to_have_count(4)
    gallery.look("check-failed-step")
