"""The whole lab as users see it: concurrent users, the queue, a notebook, the live sidebar."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from browser.person import CELL, Person
from harness.lab import PROJECT
from harness.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import WebSocket

    from harness.lab import Lab

# A lab that is used again still has the users of the last run.
RUN = secrets.token_hex(2)
STACK = "import torch\nprint(torch.__version__, torch.backends.cudnn.version())"
UUIDS = """import pynvml
pynvml.nvmlInit()
for index in range(pynvml.nvmlDeviceGetCount()):
    print(pynvml.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetHandleByIndex(index)))"""


@pytest.fixture(scope="module")
def admin(lab: Lab, resident: Callable[..., Person]) -> Person:
    admin = resident("admin", lab.url)
    admin.password = lab.admin.password
    admin.sign_in()
    return admin


@pytest.fixture(scope="module")
def ada(lab: Lab, admin: Person, resident: Callable[..., Person]) -> Person:
    """A user whose server has a GPU."""
    ada = resident(f"ada-{RUN}", lab.url)
    join(admin, ada)
    ada.start(gpus=1)
    return ada


def join(admin: Person, *users: Person) -> None:
    """Sign users up, approve their accounts, and sign them in."""
    for user in users:
        user.sign_up()
    for user in users:
        admin.approve(user.name)
    for user in users:
        user.sign_in()


def test_two_users_at_once_get_a_gpu_each_and_a_third_starts_when_the_first_stops(
    lab, admin, newcomer
):
    one, two, three = (newcomer(f"{name}-{RUN}", lab.url) for name in ("grace", "alan", "edsger"))
    join(admin, one, two, three)

    one.fill_in_form(gpus=1)
    two.fill_in_form(gpus=1)
    expect(two.page.locator("#gpudock-summary")).to_contain_text("2 of 2 GPUs are free")
    one.start_button.click(no_wait_after=True)
    two.start_button.click(no_wait_after=True)
    one.wait_for_lab()
    two.wait_for_lab()
    (first,), (second,) = one.gpus_in_sidebar(), two.gpus_in_sidebar()
    assert {first, second} == {gpu.uuid for gpu in lab.simulator.gpus}

    three.fill_in_form(gpus=1)
    expect(three.page.locator("#gpudock-summary")).to_contain_text("0 of 2 GPUs are free")
    three.start_button.click()
    expect(three.page.locator("#progress-message")).to_contain_text(
        "You are number 1 of 1 in the queue. All matching GPUs are in use."
    )
    one.stop_server()
    # The page of its JupyterLab is still open, in another tab than the one that stopped it.
    ended = one.page.get_by_role("dialog", name="Session ended")
    ended.get_by_role("button", name="My GPUs").click(timeout=CELL)
    expect(one.page.get_by_role("heading", name="My GPUs")).to_be_visible()
    three.wait_for_lab()
    assert three.gpus_in_sidebar() == [first]
    assert two.gpus_in_sidebar() == [second]
    two.stop_server()
    three.stop_server()


def test_a_notebook_has_the_stack_and_sees_the_one_gpu_that_the_sidebar_shows(ada):
    ada.open_notebook()
    expect(ada.run_cell(STACK)).to_contain_text("2.6.0+cu124 90100", timeout=CELL)
    output = ada.run_cell(UUIDS)
    expect(output).to_contain_text("GPU-")
    assert output.inner_text().split() == ada.gpus_in_sidebar()


def test_the_sidebar_follows_the_gpu(lab, ada):
    (uuid,) = ada.gpus_in_sidebar()
    use = ada.open_sidebar().get_by_role("meter", name="Utilization")
    for percent in (97, 12):
        lab.simulator.update(uuid, utilization=percent, temperature=40 + percent // 3)
        expect(use).to_have_attribute("aria-valuenow", str(percent))
        expect(ada.open_sidebar()).to_contain_text(f"{40 + percent // 3} °C")


def test_the_sidebar_shows_the_stack_and_why_it_cannot_compute(ada):
    stack = ada.open_sidebar().get_by_label("Software stack")
    expect(stack).to_contain_text("2.6.0+cu124", timeout=CELL)
    expect(stack.locator("[data-code]").first).to_contain_text("This GPU is simulated: ")


def test_a_lost_gpu_and_its_return_are_shown(lab, ada):
    (uuid,) = ada.gpus_in_sidebar()
    card = ada.open_sidebar().locator(f'[data-uuid="{uuid}"]')
    lab.simulator.update(uuid, fault="lost")
    expect(card).to_have_attribute("data-state", "lost")
    expect(card).to_contain_text("GPU lost")
    lab.simulator.update(uuid, fault=None)
    expect(card).to_have_attribute("data-state", "ok")


def test_the_sidebar_shows_that_a_server_has_no_gpu(lab, admin, newcomer):
    bob = newcomer(f"bob-{RUN}", lab.url)
    join(admin, bob)
    bob.start(gpus=0)
    panel = bob.open_sidebar()
    expect(panel).to_contain_text("No GPU was requested")
    expect(panel.locator("[data-uuid]")).to_have_count(0)


def test_a_deactivated_user_is_cut_off_from_an_open_jupyterlab(lab, admin, newcomer):
    """The server goes on, but neither its files nor its kernels answer the open page."""
    eve = newcomer(f"eve-{RUN}", lab.url)
    join(admin, eve)
    sockets: list[WebSocket] = []

    def remember(socket: WebSocket) -> None:  # Playwright takes no method of a built-in type
        sockets.append(socket)

    eve.page.on("websocket", remember)
    eve.start(gpus=0)
    eve.open_notebook()
    connected = [socket for socket in sockets if not socket.is_closed()]
    assert any("/channels" in socket.url for socket in connected)
    admin.open(f"/hub/accounts/deactivate/{eve.name}")
    admin.page.get_by_label("Also stop running servers").uncheck()
    admin.page.get_by_role("button", name="Deactivate").click()
    expect(admin.page.locator(f"#gpudock-deactivated #{eve.name}")).to_be_visible()

    def are_closed() -> bool:
        eve.page.title()  # events are only read during a call
        return all(socket.is_closed() for socket in connected)

    wait_for(are_closed, "the connections to the kernel end")
    answer = eve.page.request.get(f"{lab.url}/user/{eve.name}/api/contents", max_redirects=0)
    assert not answer.ok
    assert eve.name in lab.leases()


@pytest.mark.parametrize(
    ("part", "utilization"), [("proxy-1", 31), ("hub-1", 32), ("desk-1", 33), ("agent", 34)]
)
def test_open_pages_go_on_by_themselves_after_a_part_has_restarted(
    lab, admin, ada, part, utilization
):
    (uuid,) = ada.gpus_in_sidebar()
    admin.open("/services/gpudock/lab")
    overview = admin.page.get_by_role("main")
    expect(overview).to_contain_text("GPU 0")
    lab.docker.containers.get(f"{PROJECT}-{part}").restart(timeout=20)
    expect(ada.run_cell("print(6 * 7)")).to_have_text("42", timeout=CELL)
    lab.simulator.update(uuid, utilization=utilization)
    use = ada.open_sidebar().get_by_role("meter", name="Utilization")
    expect(use).to_have_attribute("aria-valuenow", str(utilization), timeout=CELL)
    lab.wait_until_up()
    lab.run_in(lab.hub, "gpudock", "gpu", "drain", uuid)
    try:
        expect(overview).to_contain_text("Draining", timeout=CELL)
    finally:
        lab.run_in(lab.hub, "gpudock", "gpu", "return", uuid)
    expect(overview).not_to_contain_text("Draining", timeout=CELL)


def test_an_open_page_shows_that_its_server_cannot_be_reached_and_connects_again(lab, ada):
    proxy = lab.docker.containers.get(f"{PROJECT}-proxy-1")
    notice = ada.page.get_by_role("status").filter(has_text="Your server cannot be reached")
    proxy.stop(timeout=20)
    try:
        expect(notice).to_be_visible(timeout=CELL)
    finally:
        proxy.start()
    expect(notice).to_have_count(0, timeout=CELL)
    expect(ada.run_cell("print(7 * 8)")).to_have_text("56", timeout=CELL)
    expect(ada.page.get_by_role("dialog")).to_have_count(0)
    lab.wait_until_up()


def test_an_outage_of_the_hub_is_shown_and_ends_by_itself(lab, admin):
    lab.kill_hub()
    try:
        admin.open("/hub/home")
        expect(admin.page.get_by_role("heading")).to_have_text("The lab does not answer.")
        expect(admin.page.get_by_role("status")).to_contain_text("reloads as soon as")
    finally:
        lab.start_hub()
    expect(admin.page.get_by_role("heading", name="My GPUs", exact=True)).to_be_visible()


def test_an_outage_of_the_desk_is_shown_and_ends_by_itself(lab, admin):
    desk = lab.docker.containers.get(f"{PROJECT}-desk-1")
    desk.kill("SIGKILL")
    try:
        admin.open("/services/gpudock/lab")
        heading = admin.page.get_by_role("heading")
        expect(heading).to_have_text("The GPU pages do not answer.")
    finally:
        desk.start()
    expect(admin.page.get_by_role("heading", name="Lab", exact=True)).to_be_visible()
