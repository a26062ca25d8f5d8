"""A user's browser, reduced to its requests: signs in, starts servers, follows their progress."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator


class SpawnFailed(AssertionError):  # noqa: N818
    """A server did not start; the text is what its user was told."""


@dataclass
class HubClient:
    """One signed-in user of the lab at ``url`` (for example ``http://127.0.0.1:8000``)."""

    url: str
    name: str
    password: str
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.url, timeout=60, follow_redirects=True)

    # Accounts.

    def sign_up(self) -> str:
        """Ask for an account; return the page that answers."""
        self.http.get("/hub/signup")
        answer = self.http.post(
            "/hub/signup",
            data={
                "username": self.name,
                "signup_password": self.password,
                "signup_password_confirmation": self.password,
                "_xsrf": self._xsrf(),
            },
        )
        return answer.text

    def sign_in(self) -> HubClient:
        """Sign in, or fail."""
        self.http.get("/hub/login")
        answer = self.http.post(
            "/hub/login",
            data={"username": self.name, "password": self.password, "_xsrf": self._xsrf()},
        )
        assert "/hub/login" not in str(answer.url), f"{self.name} could not sign in"
        return self

    def authorize(self, name: str) -> None:
        """As an administrator, let *name* in."""
        answer = self.http.get(
            f"/hub/authorize/{quote(name)}", headers={"Sec-Fetch-Site": "same-origin"}
        )
        answer.raise_for_status()

    # Servers.

    def api(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Call the Hub's REST API as this user."""
        return self.http.request(
            method,
            f"/hub/api{path}",
            json=body,
            headers={"X-XSRFToken": self._xsrf(), "Referer": f"{self.url}/hub/home"},
        )

    def ask_for_server(self, server: str = "", **options: Any) -> httpx.Response:
        """Ask for a server with these spawn options; return the Hub's first answer."""
        return self.api("POST", self._server_path(server), options)

    def progress(self, server: str = "") -> Iterator[dict[str, Any]]:
        """Yield the progress page's events until the start is over."""
        path = f"/hub/api{self._server_path(server)}/progress"
        with self.http.stream("GET", path, headers={"Accept": "text/event-stream"}) as answer:
            answer.raise_for_status()
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    event = json.loads(line.removeprefix("data:"))
                    yield event
                    if event.get("ready") or event.get("failed"):
                        return

    def start_server(self, server: str = "", **options: Any) -> str:
        """Start a server and return its URL once it is ready.

        Raises:
            SpawnFailed: with what its user was told.
        """
        answer = self.ask_for_server(server, **options)
        if answer.status_code >= 400:
            raise SpawnFailed(answer.json().get("message", answer.text))
        last = list(self.progress(server))[-1]
        if not last.get("ready"):
            raise SpawnFailed(last.get("message", "the progress ended without a word"))
        return self.url + last["url"]

    def stop_server(self, server: str = "") -> None:
        """Stop a server, also one that is still starting, and wait until it is gone."""
        answer = self.api("DELETE", self._server_path(server))
        assert answer.status_code in (202, 204), answer.text
        deadline = time.monotonic() + 60
        while self.server_model(server) is not None:
            assert time.monotonic() < deadline, "the server is still there after a minute"
            time.sleep(0.1)

    def server_model(self, server: str = "") -> dict[str, Any] | None:
        """Return what the Hub says of a server, or ``None`` when it knows of none."""
        model = self.api("GET", f"/users/{quote(self.name)}?include_stopped_servers").json()
        found = (model.get("servers") or {}).get(server)
        if found is None or (found.get("stopped") and not found.get("pending")):
            return None
        return dict(found)

    @contextmanager
    def server(self, server: str = "", **options: Any) -> Iterator[str]:
        """Have a server for the duration of a ``with`` block."""
        url = self.start_server(server, **options)
        try:
            yield url
        finally:
            self.stop_server(server)

    def _server_path(self, server: str) -> str:
        user = f"/users/{quote(self.name, safe='')}"
        return f"{user}/servers/{quote(server, safe='')}" if server else f"{user}/server"

    def _xsrf(self) -> str:
        # There is one for the Hub's pages and one for each server; the Hub's is wanted.
        for cookie in self.http.cookies.jar:
            if cookie.name == "_xsrf" and cookie.path == "/hub/":
                return str(cookie.value)
        return ""
