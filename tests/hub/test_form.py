"""The spawn form says which GPUs are free, what the user may have, and what waiting would mean."""

from __future__ import annotations

import re

import httpx
import pytest

from gpudock.model import GPUProcess, Telemetry
from harness.waiting import wait_for


@pytest.fixture
def ada(hub):
    return hub.client("ada")


def form(client) -> str:
    """The form with its white space in one."""
    answer = client.page("/hub/spawn")
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.text)


def selected(page: str, field: str) -> str:
    """The value that is chosen in a field of selections."""
    field_html = re.search(rf'<select[^>]*name="{field}".*?</select>', page)
    assert field_html is not None, f"the form has no {field}"
    chosen = re.search(r'value="([^"]*)" selected', field_html[0])
    return chosen[1] if chosen else ""


def test_the_form_shows_free_gpus_the_limit_and_that_a_server_starts_at_once(ada):
    page = form(ada)
    assert "<strong>2 of 2</strong> GPUs are free." in page
    assert "Your server starts at once." in page
    assert "NVIDIA A100-SXM4-40GB" in page
    assert "NVIDIA L4" in page
    assert page.count("1 of 1 free") == 2
    assert "Your limit: 1 GPU at once." in page
    assert selected(page, "gpus") == "1"


def test_the_form_says_what_waiting_means(hub, ada):
    hub.client("bob").start_server()
    assert "<strong>1 of 2</strong> GPUs are free." in form(ada)
    hub.client("cleo").start_server()
    page = form(ada)
    assert "<strong>0 of 2</strong> GPUs are free." in page
    assert "If you start now, you are number 1 in the queue. All matching GPUs are in use." in page
    # Sessions last at most 12 hours, and the first of these two has just begun.
    assert "It should be your turn within 12 hours, or within 48 hours if users who have" in page


def test_the_form_remembers_the_last_choices(ada):
    ada.start_server(gpus=0, when_busy="cpu", gpu_model="NVIDIA L4", image="lab/notebook:1")
    ada.stop_server()
    page = form(ada)
    assert selected(page, "gpus") == "0"
    assert selected(page, "gpu_model") == "NVIDIA L4"
    assert selected(page, "image") == "lab/notebook:1"
    assert re.search(r'value="cpu" checked', page)


def test_the_form_remembers_choices_that_came_in_other_clothes(ada):
    ada.start_server(gpus="0", image="Notebook")
    ada.stop_server()
    page = form(ada)
    assert selected(page, "gpus") == "0"
    assert selected(page, "image") == "lab/notebook:1"


def test_a_slot_of_a_shared_gpu_is_offered_and_given(hub, ada):
    shared = hub.docker.agent.readings[1].gpu.uuid
    hub.share_gpu(shared, 2)
    bob = hub.client("bob")
    assert "2 of 2 slots free" in form(ada)
    for person in (ada, bob):
        person.spawn_form(gpus="1", share="shared", when_busy="fail", image="lab/notebook:1")
        person.follow().result()
    leases = hub.leases()
    assert {leases[name].gpu_uuids for name in ("ada", "bob")} == {(shared,)}
    assert {leases[name].slot for name in ("ada", "bob")} == {0, 1}
    assert "0 of 2 slots free" in form(hub.client("cleo"))


def test_a_hostile_model_name_stays_text(hub, ada):
    uuid = hub.docker.agent.readings[0].gpu.uuid
    hub.docker.agent.rename(uuid, '"><script>alert(1)</script>')
    page = wait_for(
        lambda: page if "alert(1)" in (page := form(ada)) else "", "the form shows the new name"
    )
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_form_says_why_gpus_cannot_be_read(hub, ada):
    hub.docker.agent.problem = "The NVIDIA driver is not loaded. Load it and look again."
    page = wait_for(
        lambda: page if "not loaded" in (page := form(ada)) else "", "the form tells the problem"
    )
    assert "The NVIDIA driver is not loaded. Load it and look again." in page


def test_a_gpu_that_is_out_of_service_is_not_counted_as_free(hub, ada):
    uuid = hub.docker.agent.readings[1].gpu.uuid
    hub.docker.agent.change(uuid, fault="It reports an uncorrectable memory error.")
    wait_for(
        lambda: (
            "<strong>1 of 2</strong> GPUs are free." in (page := form(ada))
            and "0 of 1 free, 1 out of service" in page
        ),
        "the form shows the fault",
    )


def test_a_gpu_is_being_checked_and_not_out_of_service_after_a_session(hub, ada):
    """Processes of a session may linger for a while after its container's end."""
    uuid = hub.docker.agent.readings[1].gpu.uuid
    ada.start_server(gpus=1, gpu_model="NVIDIA L4")
    lingering = Telemetry(processes=(GPUProcess(4242, 600),))
    hub.docker.agent.change(uuid, telemetry=lingering)
    bob = hub.client("bob")
    assert "0 of 1 free <" in form(bob)
    ada.stop_server()
    page = form(bob)
    assert "0 of 1 free, 1 being checked <" in page
    assert "out of service" not in page
    hub.docker.agent.change(uuid, telemetry=Telemetry(processes=()))
    wait_for(lambda: "<strong>2 of 2</strong> GPUs are free." in form(bob), "it is free again")


def test_the_forms_post_starts_a_server(hub, ada):
    answer = ada.spawn_form(
        gpus="1", gpu_model="NVIDIA L4", when_busy="wait", image="lab/notebook:1"
    )
    assert answer.headers["Location"].startswith("/hub/spawn-pending/ada")
    ada.follow().result()
    assert hub.leases()["ada"].gpu_uuids == (hub.docker.agent.readings[1].gpu.uuid,)


def test_a_link_with_options_starts_a_server(hub, ada):
    answer = ada.page("/hub/spawn", **{"opt-gpus": "0"})
    assert answer.headers["Location"].startswith("/hub/spawn-pending/ada")
    wait_for(lambda: "ada" in hub.leases(), "the lease")
    assert hub.leases()["ada"].gpu_uuids == ()


def test_a_link_starts_a_server_as_it_was_started_last(hub, ada):
    choices = {"gpu_model": "NVIDIA L4", "when_busy": "fail", "image": "lab/notebook:1"}
    uuid = hub.docker.agent.readings[1].gpu.uuid
    ada.start_server(gpus=1, **choices)
    before = hub.leases()["ada"]
    # The only GPU that fits is still being checked when the link is followed: nobody has it, so
    # who does not want to wait for others is not sent away.
    hub.docker.agent.change(uuid, telemetry=Telemetry(processes=(GPUProcess(4242, 600),)))
    ada.stop_server()
    answer = ada.page("/hub/spawn/ada", **{"opt-again": "1", "next": "/user/ada/lab"})
    assert answer.headers["Location"].startswith("/hub/spawn-pending/ada")
    wait_for(lambda: hub.queue() == ["ada"], "ada's request waits")
    hub.docker.agent.change(uuid, telemetry=Telemetry(processes=()))
    ada.follow().result()
    now = hub.leases()["ada"]
    assert now.id != before.id
    assert (now.gpu_uuids, now.image) == (before.gpu_uuids, before.image)


def test_such_a_link_waits_for_a_server_that_is_still_ending(hub, ada):
    ada.start_server(gpus=0)
    link = {"opt-again": "1", "next": "/user/ada/lab"}
    with hub.docker.hold("stop") as ending:
        ada.delete_server()
        ending.wait()
        answer = ada.page("/hub/spawn/ada", **link)
        waiting = httpx.URL(answer.headers["Location"])
        assert waiting.path == "/hub/spawn-pending/ada"
        assert dict(waiting.params) == link
        page = ada.page(waiting.path, **link)
        assert "It will start again as soon as it has stopped." in page.text
        # What the page's script goes to: it leads here again, until the server has ended.
        assert 'replace("/hub/spawn-pending/", "/hub/spawn/")' in page.text
    wait_for(lambda: ada.server_model() is None, "the server has ended")
    ada.page("/hub/spawn/ada", **link)
    ada.follow().result()
    assert hub.leases()["ada"].gpu_uuids == ()


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Referer": "{hub}/hub/home"},
        {"Sec-Fetch-Site": "none"},
        {"Referer": "http://elsewhere.example/hub/home"},
        {"Origin": "null", "Referer": "{hub}/hub/home"},
        {},
    ],
    ids=["cross-site", "same-site", "typed", "plain-http", "opaque", "unknown"],
)
def test_a_link_that_is_not_on_a_page_of_the_lab_starts_no_server(hub, ada, headers):
    headers = {name: value.replace("{hub}", hub.url) for name, value in headers.items()}
    for link in ("/hub/spawn?opt-again=1", "/hub/spawn/ada?opt-gpus=0", "/hub/spawn/ada/x?gpus=0"):
        answer = ada.http.get(link, headers=headers, follow_redirects=False)
        assert answer.status_code == 403
        assert "A link that is not on a page of the lab tried to start this server." in answer.text
    assert not hub.leases()
    assert not hub.queue()


def test_a_browser_that_comes_from_the_lab_starts_a_server(hub, ada):
    headers = {"Sec-Fetch-Site": "same-origin"}
    answer = ada.http.get(
        "/hub/spawn", params={"opt-gpus": "0"}, headers=headers, follow_redirects=False
    )
    assert answer.headers["Location"].startswith("/hub/spawn-pending/ada")
    wait_for(lambda: "ada" in hub.leases(), "the lease")


def outlook(client, address: str = "", **fields: object) -> dict[str, str]:
    """What the form's script is answered for these values of the fields."""
    answer = client.page(f"/hub/gpudock/outlook{address}", **fields)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json()


@pytest.fixture
def two_gpus(hub):
    hub.set_quota("user", "ada", {"max_gpus": 2})
    yield
    hub.set_quota("user", "ada", None)


def test_the_outlook_follows_what_is_chosen(hub, ada, two_gpus):
    hub.client("bob").start_server(gpu_model="NVIDIA L4")
    form(ada)
    assert outlook(ada, gpus=1) == {"kind": "starts", "text": "Your server starts at once."}
    assert outlook(ada, gpus=0)["text"] == "Your server starts at once, without a GPU."
    assert outlook(ada, gpus=2)["text"].startswith(
        "If you start now, you are number 1 in the queue. This server needs 2 GPUs at once,"
    )
    busy = outlook(ada, "/ada", gpus=1, gpu_model="NVIDIA L4")
    assert busy["text"].startswith("If you start now, you are number 1 in the queue.")
    assert (
        "so your server would start at once, without a GPU"
        in (outlook(ada, gpus=1, gpu_model="NVIDIA L4", when_busy="cpu")["text"])
    )
    for fields in ({"gpus": 3}, {"gpus": 1, "share": "shared"}, {"gpus": "x"}, {"gpu": 1}):
        assert outlook(ada, **fields)["kind"] == "refused", fields
    assert not hub.queue()
    assert set(hub.leases()) == {"bob"}


def test_the_outlook_is_for_those_who_may_start_the_server(hub, ada):
    bob = hub.client("bob")
    form(ada)
    assert bob.page("/hub/gpudock/outlook/ada", gpus=1).status_code == 404
    assert ada.page("/hub/gpudock/outlook/ada/second", gpus=1).status_code == 404
    assert outlook(hub.admin, "/ada", gpus=1)["kind"] == "starts"
    assert httpx.get(f"{hub.url}/hub/gpudock/outlook").status_code == 403


def test_a_refused_start_of_a_named_server_shows_its_own_form(hub, ada):
    """The Hub asks the default server for that form, whose container is none of its business."""
    ada.start_server(gpus=1)
    assert ada.page("/hub/spawn/ada/second").status_code == 200
    answer = ada.spawn_form("second", gpus="1", gpu_model="NVIDIA L4", when_busy="fail")
    page = re.sub(r"\s+", " ", answer.text)
    assert "You already use 1 of your 1 GPU" in page
    assert "still being stopped" not in page
    assert "you are number" not in page
    assert selected(page, "gpus") == "1"
    assert selected(page, "gpu_model") == "NVIDIA L4"
    assert re.search(r'value="fail" checked', page)
    assert "share the files" in page
    # A new form chooses what is available.
    assert selected(form_of(ada, "/ada/second"), "gpus") == "0"


def form_of(client, address: str) -> str:
    answer = client.page(f"/hub/spawn{address}")
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.text)


def test_a_choice_that_was_made_without_seeing_the_gpus_is_not_remembered(hub, ada):
    ada.start_server(gpus=1, gpu_model="NVIDIA L4")
    ada.stop_server()
    assert selected(form(ada), "gpu_model") == "NVIDIA L4"
    ada.spawn_form(gpus="0", remember="no")
    ada.follow().result()
    ada.stop_server()
    assert selected(form(ada), "gpus") == "1"


def test_my_gpus_has_the_servers_of_its_user(hub, ada):
    ada.start_server(gpus=0)
    assert ada.page("/hub/spawn/ada/second").status_code == 200
    answer = ada.page("/hub/gpudock/servers").json()
    assert answer.pop("xsrf")
    assert answer == {
        "named_servers": True,
        "limit": 3,
        "servers": [{"name": "", "state": "ready"}, {"name": "second", "state": "stopped"}],
    }
    assert httpx.get(f"{hub.url}/hub/gpudock/servers").status_code == 403


def test_without_the_desk_the_home_page_is_the_hubs_own(ada):
    answer = ada.page("/hub/home")
    assert answer.status_code == 200
    assert "My GPUs" in answer.text


def test_two_servers_of_one_user_have_layouts_and_runtime_files_of_their_own(hub, ada):
    for server in ("", "second"):
        ada.start_server(server, gpus=0)
    first, second = (
        next(c for c in hub.docker.running if c.labels["gpudock.server"] == server).environment
        for server in ("", "second")
    )
    assert "JUPYTERLAB_WORKSPACES_DIR" not in first
    assert second["JUPYTERLAB_WORKSPACES_DIR"] == (
        "/workspace/.jupyter/lab/servers/second/workspaces"
    )
    # Pages of one host that show the same workspace of JupyterLab take it from each other.
    assert first["JUPYTERHUB_DEFAULT_URL"] == "/lab"
    assert second["JUPYTERHUB_DEFAULT_URL"] == "/lab/workspaces/second"
    # In the container, and not in the workspace that both have.
    assert first["JUPYTER_RUNTIME_DIR"] == second["JUPYTER_RUNTIME_DIR"] == "/tmp/jupyter-runtime"


def test_a_proxy_that_buffers_passes_the_progress_on(hub, ada):
    ada.start_server(gpus=0)
    with ada._progress_stream("") as answer:
        assert answer.headers["X-Accel-Buffering"] == "no"
