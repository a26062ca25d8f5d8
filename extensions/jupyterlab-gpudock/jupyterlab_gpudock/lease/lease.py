"""The lease of this server: its end, what is left of the quota, and the length of the queue."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jupyterlab_gpudock.errors import RequestError
from jupyterlab_gpudock.lease.desk_client import (
    INVALID_RESPONSE,
    DeskClient,
    DeskError,
    HubEnvironment,
    number,
)

if TYPE_CHECKING:
    from collections.abc import Callable

CACHE_SECONDS = 5.0
"""How long a response of the desk is used for every client."""

_EMPTY: dict[str, Any] = {
    "gpus": [],
    "host_gpus": {},
    "ends_at": None,
    "ends_because": None,
    "why": "",
    "can_extend": False,
    "extendable_until": None,
    "idle": {"limit_minutes": None, "since": None, "ends_at": None},
    "quota": {
        "gpu_hours_limit": None,
        "gpu_hours_used": None,
        "gpu_hours_left": None,
        "window_days": None,
    },
    "queue_length": None,
}


class ServerLease:
    """The lease of this server, fetched at most once in five seconds for any number of clients.

    Belongs to the event loop.
    """

    def __init__(
        self,
        environment: HubEnvironment,
        desk: DeskClient | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Make a lease; nothing is fetched yet.

        Args:
            environment: what the hub set for this server.
            desk: the client of the desk.
            clock: monotonic seconds.
            wall_clock: seconds since 1970.
        """
        self._environment = environment
        self._desk = desk or DeskClient(environment)
        self._clock = clock
        self._wall_clock = wall_clock
        self._found: dict[str, Any] = {}
        self._fetched_at: float | None = None
        self._host_gpus: dict[str, int] = {}
        self._state, self._message = "", ""
        self._fresh_until = -1.0
        self._fetching: asyncio.Task[None] | None = None

    async def document(self) -> dict[str, Any]:
        """Return ``LeaseDocument`` of the contract; does not raise when the desk is down."""
        here = self._environment
        if here.managed and here.lease and self._clock() >= self._fresh_until:
            if self._fetching is None:
                self._fetching = asyncio.ensure_future(self._renew())
            # The first client may disconnect; the others still want the result.
            await asyncio.shield(self._fetching)
        if not here.managed:
            state, message = "unmanaged", ""
        elif not here.lease:
            state, message = "no_lease", "This server was started without a GPU."
        else:
            state, message = self._state, self._message
        return {
            "managed": here.managed,
            "lease": here.lease,
            "state": state,
            "message": message,
            "fetched_at": self._fetched_at,
            "now": round(self._wall_clock(), 3),
            **_EMPTY,
            **self._found,
            "hub_home": here.hub_home,
            "desk": here.desk,
            "can_restart": bool(here.lease and here.token and here.api_url),
            "restart_page": here.restart_page,
        }

    async def extend(self, hours: float | None) -> dict[str, Any]:
        """Extend the lease and return it.

        Args:
            hours: by how many hours; None for the desk's default.

        Raises:
            RequestError: the desk denies it or does not respond.
        """
        body = None if hours is None else {"hours": hours}
        await self._change("extend", "POST", body)
        self._fresh_until = -1.0
        return await self.document()

    async def release(self) -> dict[str, Any]:
        """Release the lease: the hub ends this server. Its workspace stays.

        Raises:
            RequestError: the desk denies it or does not respond.
        """
        await self._change("", "DELETE", None)
        return {**await self.document(), "message": "The GPU is given back; this server ends now."}

    async def restart(self) -> dict[str, Any]:
        """End this server for a restart by the hub, or return where to restart it by hand."""
        here = self._environment
        if not here.managed:
            message = "No gpudock hub started this server, so it cannot be restarted from here."
            raise RequestError(409, "unmanaged", message)
        try:
            await self._change("", "DELETE", None)
        except RequestError as error:
            return {
                "restarting": False,
                "code": error.code,
                "hub_home": here.hub_home,
                "message": f"{error.message} Restart the server on the Hub's home page.",
            }
        return {
            "restarting": True,
            "code": None,
            "hub_home": here.restart_page,
            "message": "This server ends now. The Hub's page starts it again.",
        }

    async def _change(self, what: str, method: str, body: object) -> None:
        here = self._environment
        if not here.managed:
            message = "No gpudock hub started this server, so it has no lease."
            raise RequestError(409, "unmanaged", message)
        if not here.lease:
            raise RequestError(409, "no_lease", "This server was started without a GPU.")
        path = "/".join(filter(None, ("leases", quote(here.lease, safe=""), what)))
        try:
            await self._desk.fetch(path, method, body)
        except DeskError as error:
            raise error.as_request_error() from error

    async def _renew(self) -> None:
        try:
            self._found = await self._fetch()
            self._state, self._message = "ok", ""
            self._fetched_at = round(self._wall_clock(), 3)
        except DeskError as error:
            self._message = error.message
            if error.status in (401, 403):
                self._state = "refused"
            else:
                self._state = "stale" if self._fetched_at is not None else "unreachable"
        except RequestError as error:
            self._found, self._state, self._message = {}, error.code, error.message
        finally:
            self._fresh_until = self._clock() + CACHE_SECONDS
            self._fetching = None

    async def _fetch(self) -> dict[str, Any]:
        """Return the lease, and limits and queue as far as the desk returns them.

        Raises:
            DeskError: the lease cannot be fetched.
            RequestError: the lease has ended.
        """
        here = self._environment
        user = quote(here.user or "", safe="")
        responses: tuple[dict[str, Any] | BaseException, ...] = await asyncio.gather(
            self._desk.fetch("leases/me"),
            self._desk.fetch(f"quotas/users/{user}/effective"),
            self._desk.fetch("queue"),
            return_exceptions=True,
        )
        for response in responses:
            if isinstance(response, BaseException) and not isinstance(response, DeskError):
                raise response
        leases, limits, queue = responses
        if isinstance(leases, BaseException):
            raise leases
        try:
            rows = [row for row in leases["leases"] if row["id"] == here.lease]
        except (KeyError, TypeError):
            raise DeskError(None, INVALID_RESPONSE) from None
        if not rows:
            raise RequestError(409, "no_lease", "This server's lease has ended.")
        lease = _of_lease(rows[0])
        await self._find_host_gpus(lease["gpus"])
        return {
            **lease,
            "host_gpus": self._host_gpus,
            **_of_limits(limits if isinstance(limits, dict) else {}, rows[0]),
            "queue_length": _whole(queue.get("length")) if isinstance(queue, dict) else None,
        }

    async def _find_host_gpus(self, uuids: list[str]) -> None:
        """Look up the GPUs' indices on their host once; names without them are good enough."""
        if all(uuid in self._host_gpus for uuid in uuids):
            return
        with contextlib.suppress(DeskError):
            listed = (await self._desk.fetch("gpus")).get("gpus")
            for gpu in listed if isinstance(listed, list) else []:
                if isinstance(gpu, dict) and gpu.get("uuid") in uuids:
                    index = _whole(gpu.get("index"))
                    if index is not None:
                        self._host_gpus[gpu["uuid"]] = index


def _of_lease(row: dict[str, Any]) -> dict[str, Any]:
    because = row.get("ends_because")
    gpus = row.get("gpus")
    return {
        "gpus": [str(gpu) for gpu in gpus] if isinstance(gpus, list) else [],
        "ends_at": number(row.get("ends_at")),
        "ends_because": because if isinstance(because, str) else None,
        "why": str(row.get("why") or ""),
        "can_extend": row.get("can_extend") is True,
        "extendable_until": number(row.get("extendable_until")),
    }


def _of_limits(effective: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    limits, used = effective.get("limits"), effective.get("used")

    def limit(name: str) -> float | None:
        found = limits.get(name) if isinstance(limits, dict) else None
        return number(found.get("value")) if isinstance(found, dict) else None

    hours = limit("gpu_hours")
    hours_used = number(used.get("gpu_hours")) if isinstance(used, dict) else None
    left = None if hours is None or hours_used is None else round(max(0.0, hours - hours_used), 4)
    idle_minutes, since = limit("idle_minutes"), number(row.get("idle_since"))
    idle_end = None if idle_minutes is None or since is None else since + 60 * idle_minutes
    if idle_end is not None and row.get("ends_because") == "idle":
        # The hub's own time applies: it adds a grace period.
        idle_end = number(row.get("ends_at")) or idle_end
    return {
        "idle": {"limit_minutes": idle_minutes, "since": since, "ends_at": idle_end},
        "quota": {
            "gpu_hours_limit": hours,
            "gpu_hours_used": hours_used,
            "gpu_hours_left": left,
            "window_days": limit("window_days"),
        },
    }


def _whole(value: object) -> int | None:
    found = number(value)
    return None if found is None else int(found)
