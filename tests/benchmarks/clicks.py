"""One user's click, and how long it takes until their own server answers."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from benchmarks.labs import Lab

TRY_SECONDS = 0.02
PATIENCE_SECONDS = 240.0


class ClickError(Exception):
    """A server did not become ready; the text says why."""


@dataclass
class Clicker:
    """The users of one lab, for as long as the ``async with`` block lasts."""

    lab: Lab

    async def __aenter__(self) -> Clicker:
        self._http = httpx.AsyncClient(
            base_url=self.lab.url,
            headers={"Authorization": f"token {self.lab.token}"},
            timeout=PATIENCE_SECONDS,
            limits=httpx.Limits(max_connections=None),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def add_users(self, names: list[str]) -> None:
        """Make the accounts."""
        answer = await self._http.post("/hub/api/users", json={"usernames": names})
        answer.raise_for_status()

    async def click(self, user: str) -> float:
        """Start the user's server and return the seconds until it answers through the proxy.

        Raises:
            ClickError: it did not start.
        """
        begun = time.perf_counter()
        asked = await self._http.post(f"/hub/api/users/{user}/server", json=dict(self.lab.options))
        if asked.status_code not in (201, 202):
            message = f"The hub refused: {asked.status_code} {asked.text}"
            raise ClickError(message)
        await self._follow(user)
        while (await self._http.get(f"/user/{user}/api")).status_code != 200:
            if time.perf_counter() - begun > PATIENCE_SECONDS:
                message = f"The server of {user} did not answer in {PATIENCE_SECONDS:.0f} s."
                raise ClickError(message)
            await asyncio.sleep(TRY_SECONDS)
        return time.perf_counter() - begun

    async def stop(self, user: str) -> None:
        """Stop the user's server and wait until it is gone."""
        answer = await self._http.delete(f"/hub/api/users/{user}/server")
        answer.raise_for_status()
        while (await self._http.get(f"/hub/api/users/{user}")).json()["servers"]:  # noqa: ASYNC110
            await asyncio.sleep(0.1)

    async def _follow(self, user: str) -> None:
        """Read the progress page's stream until the hub calls the server ready."""
        last: dict[str, object] = {}
        path = f"/hub/api/users/{user}/server/progress"
        async with self._http.stream("GET", path) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data:"):
                    last = json.loads(line.removeprefix("data:"))
                    if last.get("ready"):
                        return
        message = f"The server of {user} did not start: {last.get('message', stream.status_code)}"
        raise ClickError(message)
