"""A user's browser, reduced to its requests: signs in, starts servers, follows their progress."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import httpx

from harness.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator


_START_SECONDS = 180


class SpawnFailed(AssertionError):  # noqa: N818
    """A server did not start; the text is what its user was shown."""


@dataclass
class HubClient:
    """One signed-in user of the lab at ``url`` (for example ``http://127.0.0.1:8000``)."""

    url: str
    name: str
    password: str
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        # The proxy closes a connection after five seconds without a request, and might do so just
        # when one comes.
        limits = httpx.Limits(keepalive_expiry=1)
        self.http = httpx.Client(
            base_url=self.url, timeout=60, follow_redirects=True, limits=limits
        )

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
        answer = self.try_to_sign_in()
        assert "/hub/login" not in str(answer.url), f"{self.name} could not sign in"
        return self

    def try_to_sign_in(self) -> httpx.Response:
        """Sign in; return the page that one gets to, which is the sign-in page again on failure."""
        self.http.get("/hub/login")
        return self.http.post(
            "/hub/login",
            data={"username": self.name, "password": self.password, "_xsrf": self._xsrf()},
        )

    def change_password(self, password: str) -> None:
        """Take another password."""
        answer = self.send_password_form(self.password, password)
        assert "success" in answer.text, answer.text
        self.password = password

    def send_password_form(self, old: str, new: str) -> httpx.Response:
        """Fill in the form for another password; return the page that answers."""
        self.http.get("/hub/change-password")
        return self.http.post(
            "/hub/change-password",
            data={
                "old_password": old,
                "new_password": new,
                "new_password_confirmation": new,
                "_xsrf": self._xsrf(),
            },
        )

    def set_password(self, name: str, password: str) -> None:
        """As an administrator, set the password of *name*."""
        form = {"new_password": password, "new_password_confirmation": password}
        answer = self.change_account("change-password", name, **form)
        assert "success" in answer.text, answer.text

    def authorize(self, name: str) -> None:
        """As an administrator, approve *name*, with the files of an account of before."""
        self.change_account("authorize", name, approved="yes", files="keep").raise_for_status()

    def change_account(self, act: str, name: str, **fields: str) -> httpx.Response:
        """Change an account, for example by ``discard``, as the form on the Accounts page does."""
        return self.http.post(f"/hub/{act}/{quote(name)}", data={"_xsrf": self._xsrf(), **fields})

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
        with self._progress_stream(server) as answer:
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    event = json.loads(line.removeprefix("data:"))
                    yield event
                    if event.get("ready") or event.get("failed"):
                        return

    @contextmanager
    def _progress_stream(self, server: str) -> Iterator[httpx.Response]:
        path = f"/hub/api{self._server_path(server)}/progress"
        deadline = time.monotonic() + 60
        while True:
            with self.http.stream("GET", path, headers={"Accept": "text/event-stream"}) as answer:
                # So the Hub answers while it tidies up after a start that has failed; then it
                # tells why.
                tidying = answer.status_code == 400 and b"is not starting" in answer.read()
                if not tidying or time.monotonic() > deadline:
                    answer.raise_for_status()
                    yield answer
                    return
            time.sleep(0.05)

    def follow(self, server: str = "") -> Follower:
        """Follow the progress page in a thread."""
        return Follower(self, server)

    def start_server(self, server: str = "", **options: Any) -> str:
        """Start a server and return its URL once it is ready.

        Raises:
            SpawnFailed: with what its user was shown.
        """
        answer = self.ask_for_server(server, **options)
        if answer.status_code >= 400:
            raise SpawnFailed(answer.json().get("message", answer.text))
        last = self.follow(server).result()
        if not last.get("ready"):
            raise SpawnFailed(last.get("message", "the progress ended without a word"))
        return str(httpx.URL(self.url).join(last["url"]))

    def stop_server(self, server: str = "") -> None:
        """Stop a server, also one that is still starting, and wait until it is gone."""
        self.delete_server(server)
        wait_for(lambda: self.server_model(server) is None, "the server is gone", 60)

    def delete_server(self, server: str = "", user: str | None = None) -> None:
        """Ask for the end of a server, of one's own or, for an administrator, of another user.

        The Hub gives a start that it interrupts a second to end, and answers with an error when
        that was not enough: then it is asked again.
        """

        def answer() -> httpx.Response | None:
            model = self.api("GET", f"/users/{quote(user or self.name, safe='')}").json()
            pending = (model.get("servers") or {}).get(server, {}).get("pending")
            got = self.api("DELETE", self._server_path(server, user))
            return None if got.status_code == 500 and pending in ("spawn", "check") else got

        got = wait_for(answer, "the start can be interrupted", 60)
        assert got.status_code in (202, 204), got.text

    def delete_servers(self) -> list[str]:
        """As an administrator, ask for the end of everybody's servers; return all users' names."""
        users = self.api("GET", "/users?include_stopped_servers=1").json()
        servers = [
            (server["ready"], name, user["name"])
            for user in users
            for name, server in user["servers"].items()
            if server["ready"] or server["pending"]
        ]
        # Waiting users first, so that none of them gets the GPU of a server that is stopped.
        for _, name, owner in sorted(servers):
            self.delete_server(name, owner)
        return [user["name"] for user in users]

    def forget_users(self) -> None:
        """As an administrator, end all servers and waits, and remove all other accounts."""
        for name in self.delete_servers():
            if name != self.name:
                wait_for(lambda name=name: self._is_removed(name), f"{name} is removed", 60)

    def _is_removed(self, name: str) -> bool:
        done = self.api("DELETE", f"/users/{quote(name, safe='')}")
        if done.status_code == httpx.codes.CONFLICT:
            # A hub that has just started puts requests back into the queue, and starts their
            # servers, after the list of servers was made.
            self.delete_servers()
        return done.status_code in (204, 404)

    def sees_all_gpus_free(self, gpus: int) -> bool:
        """Whether the spawn form says that all *gpus* of the lab are free."""
        page = " ".join(self.page(f"/hub/spawn/{quote(self.name)}").text.split())
        return f"<strong>{gpus} of {gpus}</strong> GPUs are free." in page

    def server_model(self, server: str = "") -> dict[str, Any] | None:
        """Return what the Hub says of a server, or ``None`` when it knows of none."""
        model = self.api("GET", f"/users/{quote(self.name)}?include_stopped_servers").json()
        found = (model.get("servers") or {}).get(server)
        if found is None or (found.get("stopped") and not found.get("pending")):
            return None
        return dict(found)

    def refusal(self, server: str = "", **options: Any) -> str:
        """Ask for a server that is to be refused; return what its user is shown."""
        try:
            url = self.start_server(server, **options)
        except SpawnFailed as refused:
            return str(refused)
        raise AssertionError(f"{self.name} got a server at {url}")

    # Pages.

    def page(self, path: str, **query: Any) -> httpx.Response:
        """Follow a link on a page of the Hub; one that it leads on to is not followed."""
        return self.http.get(
            path,
            params=query,
            headers={"Referer": f"{self.url}/hub/home"},
            follow_redirects=False,
        )

    def spawn_form(self, server: str = "", /, **fields: Any) -> httpx.Response:
        """Fill in the spawn form of a server and send it; a field may be a list of values."""
        path = f"/hub/spawn/{self.name}/{server}" if server else "/hub/spawn"
        query = {"_xsrf": self._xsrf()}
        return self.http.post(path, params=query, data=fields, follow_redirects=False)

    @contextmanager
    def server(self, server: str = "", **options: Any) -> Iterator[str]:
        """Have a server for the duration of a ``with`` block."""
        url = self.start_server(server, **options)
        try:
            yield url
        finally:
            self.stop_server(server)

    def _server_path(self, server: str, user: str | None = None) -> str:
        user = f"/users/{quote(user or self.name, safe='')}"
        return f"{user}/servers/{quote(server, safe='')}" if server else f"{user}/server"

    def _xsrf(self) -> str:
        # There is one for the Hub's pages and one for each server; the Hub's is wanted.
        for cookie in self.http.cookies.jar:
            if cookie.name == "_xsrf" and cookie.path == f"{urlsplit(self.url).path}/hub/":
                return str(cookie.value)
        return ""


class Follower:
    """A progress page that stays open: all its events so far, in :attr:`events`."""

    def __init__(self, client: HubClient, server: str) -> None:
        self.events: list[dict[str, Any]] = []
        self.end = ""
        self._thread = threading.Thread(target=self._read, args=(client, server), daemon=True)
        self._thread.start()

    def _read(self, client: HubClient, server: str) -> None:
        try:
            for event in client.progress(server):
                self.events.append(event)
        except httpx.HTTPError as error:
            # A hub that is stopped or killed ends the page.
            self.end = str(error)

    @property
    def messages(self) -> list[str]:
        """What the page has said."""
        return [event.get("message", "") for event in self.events]

    def wait_for(self, words: str) -> str:
        """Return the first message with *words* once there is one."""
        try:
            return wait_for(
                lambda: next((said for said in self.messages if words in said), ""), words
            )
        except AssertionError as error:
            message = f"{error}; the progress page says {self.messages} {self.end}"
            raise AssertionError(message) from None

    def result(self) -> dict[str, Any]:
        """Return the last event once the start is over."""
        self._thread.join(_START_SECONDS)
        assert not self._thread.is_alive(), f"still starting: {self.messages}"
        assert self.events, self.end
        return self.events[-1]
