"""Each state of the GPU panel in a real JupyterLab: what it says, in English and in Chinese.

Every state is checked in light and dark, in a narrow and in a wide sidebar: axe-core finds no
serious barrier, and nothing sticks out.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from browser.panel_gallery import english_in
from browser.panel_page import BUSY, is_seen, lease_that_ends, until
from simulator import Gpu, Process

if TYPE_CHECKING:
    from browser.panel_gallery import View

MOST_NODES_OF_A_ROW = 20
SINGLE = Gpu.of_model("A100", **BUSY)
TROUBLED = dataclasses.replace(
    SINGLE,
    memory_used_mib=40_000,
    temperature=91,
    throttle=("hw_thermal", "sw_power_cap"),
    ecc_uncorrected=2,
    remapped_pending=True,
    processes=(Process(4_000_001, used_mib=30_000), Process(4_000_002, used_mib=None)),
)


def see(view: View, *texts: str) -> None:
    """Wait until the panel says all of this, wherever."""
    for text in texts:
        expect(view.panel).to_contain_text(text)


def rows(view: View) -> Any:
    return view.panel.locator(".jp-GPUDock-row-button")


def row(view: View, number: int) -> Any:
    """Return the row of the GPU with this number."""
    return view.panel.get_by_role("button", name=re.compile(f"^cuda:{number}[:：]"))


def test_one_gpu(gallery):
    gallery.show(SINGLE)
    english, chinese = gallery.views
    card = english.region("cuda:0: A100-SXM4-40GB")
    expect(card.get_by_role("meter", name="Utilization")).to_have_attribute(
        "aria-valuetext", "87 %"
    )
    expect(card.get_by_role("meter", name="Memory")).to_have_attribute(
        "aria-valuetext", "31.0 / 40.0 GiB"
    )
    see(english, "64 °C", "283 / 400 W", "1380 / 1410 MHz", "No process uses this GPU.")
    expect(chinese.region("cuda:0：A100-SXM4-40GB")).to_contain_text("31.0 / 40.0 GiB")
    see(english, "Usable: torch computes on the GPU, with cuDNN.")
    gallery.look("one")


def test_a_gpu_in_trouble_says_so_in_words(gallery):
    gallery.show(TROUBLED)
    english, chinese = gallery.views
    card = english.region("cuda:0: A100-SXM4-40GB")
    see(english, "nearly full", "too hot", "Check its cooling.", "2 errors that could not")
    see(english, "Bad memory will be replaced when the GPU is reset.")
    expect(card.get_by_role("listitem").filter(has_text="has just ended")).to_have_count(2)
    see(chinese, "显存")
    gallery.look("troubled")


def test_eight_gpus_of_which_some_are_unwell(gallery):
    gpus = [Gpu.of_model("H100", place, utilization=12 * place) for place in range(8)]
    gpus[2] = dataclasses.replace(gpus[2], temperature=95)
    gpus[3] = dataclasses.replace(gpus[3], memory_used_mib=80_000)
    gpus[5] = dataclasses.replace(gpus[5], fault="hanging")
    gpus[6] = dataclasses.replace(gpus[6], fault="lost")
    gallery.show(*gpus)
    english, chinese = gallery.views
    for view in gallery.views:
        expect(rows(view)).to_have_count(8)
    for place, words in ((2, "too hot"), (3, "nearly full"), (5, "is not responding"), (6, "lost")):
        expect(row(english, place)).to_contain_text(words)
    # Those that fail come first.
    expect(rows(english).nth(0)).to_contain_text("lost")
    expect(rows(english).nth(1)).to_contain_text("is not responding")
    expect(english.page.locator(".jp-GPUDock-status")).to_contain_text("cuda:6: GPU lost")
    gallery.look("eight")
    row(english, 6).click()
    expect(english.region(re.compile("^cuda:6"))).to_contain_text("Save your work")
    row(chinese, 3).click()
    expect(chinese.region(re.compile("^cuda:3")).get_by_role("meter")).to_have_count(2)
    gallery.look("eight-open")


def test_sixteen_gpus_are_seen_at_once(gallery):
    gpus = [
        Gpu.of_model("H100", place, utilization=6 * place, memory_used_mib=5000 * place)
        for place in range(16)
    ]
    gallery.show(*gpus)
    for view in gallery.views:
        expect(rows(view)).to_have_count(16)
        until(view.page, lambda view=view: is_seen(rows(view).nth(15)), "all without scrolling")
        drawn = view.panel.locator(".jp-GPUDock-row").evaluate_all(
            "rows => rows.map(row => row.querySelectorAll('*').length)"
        )
        assert max(drawn) <= MOST_NODES_OF_A_ROW, "a row that is closed draws no lines"
    expect(gallery.english.panel).to_contain_text("16 × H100 80GB HBM3")
    gallery.look("sixteen")


def test_slices(gallery):
    gallery.show(Gpu.of_model("A100", slices=("1g.5gb", "2g.10gb", "3g.20gb")))
    english, chinese = gallery.views
    for view, colon in ((english, ":"), (chinese, "：")):
        for place, profile in enumerate(("1g.5gb", "2g.10gb", "3g.20gb")):
            card = view.region(re.compile(f"^MIG 0:{place}{colon}"))
            expect(card).to_contain_text(f"MIG {profile}")
    expect(english.region(re.compile("^MIG 0:1"))).to_contain_text("not reported")
    gallery.look("slices")


@pytest.mark.parametrize(
    ("name", "gpus", "system", "english", "chinese"),
    [
        ("none", [], {}, "No GPU on this machine", "此机器上没有 GPU"),
        (
            "no-driver",
            [SINGLE],
            {"fault": "driver_not_loaded"},
            "No NVIDIA driver",
            "没有 NVIDIA 驱动",
        ),
        (
            "mismatch",
            [SINGLE],
            {"fault": "version_mismatch"},
            "Driver update is not finished",
            "驱动更新尚未完成",
        ),
        ("lost", [dataclasses.replace(SINGLE, fault="lost")], {}, "GPU lost", "GPU 已丢失"),
        ("unknown", [SINGLE], {"fault": "unknown"}, "GPU lost", "GPU 已丢失"),
        (
            "hanging-gpu",
            [dataclasses.replace(SINGLE, fault="hanging"), Gpu.of_model("A100", 1)],
            {},
            "GPU is not responding",
            "GPU 没有响应",
        ),
        ("hanging", [SINGLE], {"hang": "all"}, "GPU is not responding", "GPU 没有响应"),
    ],
)
def test_what_keeps_a_gpu_away_is_said(gallery, name, gpus, system, english, chinese):
    gallery.show(*gpus, **system)
    for view, title in ((gallery.english, english), (gallery.chinese, chinese)):
        notice = view.panel.locator(".jp-GPUDock-notice").first
        expect(notice).to_have_attribute("role", re.compile("alert|status"))
        expect(notice).to_contain_text(title)
    gallery.look(name)


@pytest.mark.parametrize(
    ("name", "lease", "english", "chinese"),
    [
        ("session", {}, "3 h 0 min", "3 小时 0 分钟"),
        ("session-warning", {"ends_in": 13 * 60}, "ends soon", "即将结束"),
        ("session-stale", {"state": "stale"}, "the last known state", "以下是其最近的信息"),
        (
            "session-unreachable",
            {"state": "unreachable"},
            "Your work continues",
            "您的工作会继续",
        ),
        ("session-refused", {"state": "refused"}, "Restart the server", "请重启服务器"),
    ],
)
def test_the_session_card(gallery, name, lease, english, chinese):
    gallery.show(SINGLE)
    about = {"ends_in": 3 * 3600 + 50, **lease}
    gallery.tell(lease_that_ends(about.pop("ends_in"), **about))
    for view, title, words in (
        (gallery.english, "Session", english),
        (gallery.chinese, "会话", chinese),
    ):
        expect(view.region(title)).to_contain_text(words)
    gallery.look(name)


def test_a_server_without_a_gpu_of_the_lab_says_how_to_get_one(gallery):
    gallery.show()
    gallery.tell(lease_that_ends(0, lease=None, state="no_lease", ends_at=None))
    see(gallery.english, "No GPU was requested", "choose a GPU when you start it again")
    see(gallery.chinese, "未申请 GPU")
    gallery.look("not-requested")


def test_a_stack_that_does_not_go_together(gallery):
    gallery.show(SINGLE)
    gallery.tell()
    for view, region, words in (
        (gallery.english, "Software stack", "CUDA 13.0 needs driver 580"),
        (gallery.chinese, "软件栈", "580"),
    ):
        stack = view.region(region)
        stack.get_by_role("combobox").select_option("newer")
        transition = stack.locator("[data-code='driver_too_old']")
        expect(transition).to_contain_text(words)
        expect(transition.get_by_role("link")).to_have_attribute("href", re.compile("nvidia.com"))
    gallery.look("stack")


@pytest.mark.parametrize("answer", ["it ends", "it is gone already"])
def test_a_lost_gpu_is_one_click_and_a_yes_from_a_restarted_server(gallery, answer):
    gallery.show(dataclasses.replace(SINGLE, fault="lost"))
    gallery.tell(lease_that_ends(3600))
    for view, restart, yes in (
        (gallery.english, "Restart server…", "Restart"),
        (gallery.chinese, "重启服务器…", "重启"),
    ):
        page = view.page
        page.route(
            "**/gpudock/api/server/restart**",
            lambda route: (
                route.fulfill(
                    json={"restarting": True, "code": None, "hub_home": None, "message": ""}
                )
                if answer == "it ends"
                else route.abort()
            ),
        )
        page.route("**/hub/spawn/**", lambda route: route.fulfill(body="The Hub starts it."))
        view.panel.get_by_role("button", name=restart).click()
        dialog = page.get_by_role("dialog")
        if view is gallery.chinese:
            assert english_in(dialog) == []
        dialog.get_by_role("button", name=yes, exact=True).click()
        page.wait_for_url(re.compile(r"/hub/spawn/ada\?opt-again=1&next=%2Flab"))
        page.unroute("**/gpudock/api/server/restart**")
    gallery.tell()
