"""The page of a server that is not running says why it ended."""

from __future__ import annotations

import re

from harness.waiting import wait_for


def said(person, server: str = "") -> str:
    """Return what the page of a stopped server says about its end."""
    page = person.page(f"/hub/user/{person.name}/{server}")
    assert page.status_code == 424, page.text
    found = re.search(r'id="last-end">(.*?)</p>', page.text, re.DOTALL)
    return "" if found is None else " ".join(re.sub(r"<[^>]+>", "", found[1]).split())


def test_a_server_that_never_ran_has_no_end(hub):
    assert said(hub.client("ada")) == ""


def test_who_stopped_a_server_is_named(hub):
    ada = hub.client("ada")
    ada.start_server()
    ada.stop_server()
    assert said(ada).startswith("Stopped by you at ")
    ada.start_server()
    lease = hub.leases()["ada"]
    hub.admin.delete_server("", "ada")
    wait_for(lambda: ada.server_model() is None, "the server is gone")
    wait_for(lambda: said(ada).startswith("Stopped by admin at "), "the administrator is named")
    assert hub.ended(lease.id).end_reason == "admin released it"


def test_a_named_server_has_an_end_of_its_own(hub):
    ada = hub.client("ada")
    ada.start_server("two", gpus=0)
    ada.stop_server("two")
    assert said(ada, "two").startswith("Stopped by you at ")
    assert said(ada) == ""


def test_a_container_that_was_killed_is_called_so(hub):
    ada = hub.client("ada")
    ada.start_server()
    (container,) = hub.docker.servers
    hub.docker.exit(container, 137)
    wait_for(lambda: not hub.leases(), "the lease ends")
    wait_for(lambda: ada.server_model() is None, "the Hub knows that the server is gone", 60)
    assert said(ada).startswith(
        "The container was killed, most often for lack of memory (exit code 137) at "
    )


def test_a_reason_is_text_on_the_page_and_no_markup(hub):
    ada = hub.client("ada")
    ada.start_server()
    lease = hub.leases()["ada"]
    hub.release(lease.id, "<script>alert(1)</script> released it")
    wait_for(lambda: not hub.leases(), "the lease ends")
    page = wait_for(
        lambda: (
            found
            if (found := ada.page("/hub/user/ada/")).status_code == 424 and "last-end" in found.text
            else None
        ),
        "the page says why",
    )
    assert "<script>alert(1)" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text
