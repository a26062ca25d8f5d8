"""The lease of this server: how long it lasts, what is left of the quota, and who waits."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jupyterlab_gpudock.handlers.base import Refusal
from jupyterlab_gpudock.lease.desk_client import Desk, DeskError, HubEnvironment, number

if TYPE_CHECKING:
    from collections.abc import Callable

CACHE_SECONDS = 5.0
"""How long an answer of the desk serves all who look."""

_NOTHING: dict[str, Any] = {
    "gpus": [],
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


class LeaseDesk:
    """Knows this server's lease; asks the desk at most once in five seconds, whoever looks.

    Belongs to the event loop.

    :param environment: what the hub told this server
    :param desk: whom to ask
    :param clock: monotonic seconds
    :param wall_clock: seconds since 1970
    """

    def __init__(
        self,
        environment: HubEnvironment,
        desk: Desk | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._environment = environment
        self._desk = desk or Desk(environment)
        self._clock = clock
        self._wall_clock = wall_clock
        self._found: dict[str, Any] = {}
        self._fetched_at: float | None = None
        self._state, self._message = "", ""
        self._fresh_until = -1.0
        self._asking: asyncio.Task[None] | None = None

    async def document(self) -> dict[str, Any]:
        """The lease as ``LeaseDocument`` of the contract; never raises for a desk that is down."""
        here = self._environment
        if here.managed and here.lease and self._clock() >= self._fresh_until:
            if self._asking is None:
                self._asking = asyncio.ensure_future(self._renew())
            # Whoever asked first may go away; the others still want the answer.
            await asyncio.shield(self._asking)
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
            **_NOTHING,
            **self._found,
            "hub_home": here.hub_home,
            "desk": here.desk,
            "can_restart": bool(here.lease and here.token and here.api_url),
            "restart_page": here.restart_page,
        }

    async def extend(self, hours: float | None) -> dict[str, Any]:
        """Let the lease last longer, and tell how long it lasts then.

        :param hours: by how many hours; None for what is usual
        :raises Refusal: when nothing is gained, or the desk cannot be asked
        """
        body = None if hours is None else {"hours": hours}
        await self._change("extend", "POST", body)
        self._fresh_until = -1.0
        return await self.document()

    async def release(self) -> dict[str, Any]:
        """Give the lease back: the hub ends this server. Its workspace stays.

        :raises Refusal: when the desk cannot be asked
        """
        await self._change("", "DELETE", None)
        return {**await self.document(), "message": "The GPU is given back; this server ends now."}

    async def restart(self) -> dict[str, Any]:
        """End this server so that the hub starts it anew, or say where that is done by hand."""
        here = self._environment
        if not here.managed:
            words = "No gpudock hub started this server, so nobody can restart it from here."
            raise Refusal(409, "unmanaged", words)
        try:
            await self._change("", "DELETE", None)
        except Refusal as refusal:
            return {
                "restarting": False,
                "code": refusal.code,
                "hub_home": here.hub_home,
                "message": f"{refusal.message} Restart the server on the Hub's home page.",
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
            words = "No gpudock hub started this server, so it has no lease."
            raise Refusal(409, "unmanaged", words)
        if not here.lease:
            raise Refusal(409, "no_lease", "This server was started without a GPU.")
        path = "/".join(filter(None, ("leases", quote(here.lease, safe=""), what)))
        try:
            await self._desk.ask(path, method, body)
        except DeskError as error:
            raise error.refusal() from error

    async def _renew(self) -> None:
        try:
            self._found = await self._ask()
            self._state, self._message = "ok", ""
            self._fetched_at = round(self._wall_clock(), 3)
        except DeskError as error:
            self._message = error.message
            if error.status in (401, 403):
                self._state = "refused"
            else:
                self._state = "stale" if self._fetched_at is not None else "unreachable"
        except Refusal as refusal:
            self._found, self._state, self._message = {}, refusal.code, refusal.message
        finally:
            self._fresh_until = self._clock() + CACHE_SECONDS
            self._asking = None

    async def _ask(self) -> dict[str, Any]:
        """What the desk says of the lease, and of limits and queue as far as it tells them.

        :raises DeskError: when it does not tell the lease
        :raises Refusal: when there is no such lease any more
        """
        here = self._environment
        user = quote(here.user or "", safe="")
        answers: tuple[dict[str, Any] | BaseException, ...] = await asyncio.gather(
            self._desk.ask("leases/me"),
            self._desk.ask(f"quotas/users/{user}/effective"),
            self._desk.ask("queue"),
            return_exceptions=True,
        )
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, DeskError):
                raise answer
        leases, limits, queue = answers
        if isinstance(leases, BaseException):
            raise leases
        try:
            rows = [row for row in leases["leases"] if row["id"] == here.lease]
        except (KeyError, TypeError):
            words = "The desk of the hub gave an answer that makes no sense."
            raise DeskError(None, words) from None
        if not rows:
            raise Refusal(409, "no_lease", "This server's lease has ended.")
        return {
            **_of_lease(rows[0]),
            **_of_limits(limits if isinstance(limits, dict) else {}, rows[0]),
            "queue_length": _whole(queue.get("length")) if isinstance(queue, dict) else None,
        }


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


def _of_limits(answer: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    limits, used = answer.get("limits"), answer.get("used")

    def limit(name: str) -> float | None:
        found = limits.get(name) if isinstance(limits, dict) else None
        return number(found.get("value")) if isinstance(found, dict) else None

    hours = limit("gpu_hours")
    hours_used = number(used.get("gpu_hours")) if isinstance(used, dict) else None
    left = None if hours is None or hours_used is None else round(max(0.0, hours - hours_used), 4)
    idle_minutes, since = limit("idle_minutes"), number(row.get("idle_since"))
    idle_end = None if idle_minutes is None or since is None else since + 60 * idle_minutes
    if idle_end is not None and row.get("ends_because") == "idle":
        # The lab's own moment counts: it gives some grace.
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
