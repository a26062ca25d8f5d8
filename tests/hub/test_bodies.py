"""The bodies of requests that come from nobody known: they take next to no memory."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest

from harness.desk_process import PREFIX, DeskProcess

LIMIT = 2**20


@pytest.fixture(scope="module")
def desk(shared_hub):
    desk = DeskProcess(shared_hub).start()
    yield desk
    desk.close()


def status_before_the_body(url: str, path: str, length: int) -> int:
    """Announce a body and send none of it; return the status of the answer."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(
            f"POST {path} HTTP/1.1\r\nHost: {address.netloc}\r\n"
            f"Content-Length: {length}\r\n\r\n".encode()
        )
        return int(connection.recv(4096).split()[1])


HUB = ["/hub/login", "/hub/signup", "/hub/api/oauth2/token", "/hub/api/users/ada/tokens"]
DESK = [f"{PREFIX}{path}" for path in ("health", "metrics", "", "oauth_callback", "nowhere")]


@pytest.mark.parametrize("path", HUB)
def test_the_hub_reads_no_large_body(hub, path):
    assert status_before_the_body(hub.url, path, LIMIT + 1) == 400


@pytest.mark.parametrize("path", DESK)
def test_the_desk_reads_no_large_body_of_anybody(hub, desk, path):
    assert status_before_the_body(desk.direct, path, LIMIT + 1) == 400


def test_the_desk_asks_who_it_is_before_it_reads_a_body(hub, desk):
    assert status_before_the_body(desk.direct, f"{PREFIX}api/v1/quotas.csv", LIMIT + 1) in (
        401,
        405,
    )


def test_a_body_of_the_usual_size_is_read(hub):
    form = b"username=ada&password=" + b"x" * (LIMIT - 100)
    answer = hub.client("ada").http.post("/hub/login", content=form)
    assert answer.status_code == 403  # the form's XSRF token is missing


def test_an_administrators_large_table_is_read_by_the_desk(hub, desk):
    token = desk.token(hub.admin)
    # More than 1 MB: the limit of an endpoint counts once it is known who sends.
    rows = "".join(f"user,{'x' * 200}{number},,,,,,,,,\r\n" for number in range(8000))
    answer = desk.ask(
        "POST",
        "quotas.csv/preview",
        token,
        content=f"level,name\r\n{rows}",
        headers={"Content-Type": "text/csv"},
    )
    assert answer.status_code == 200
