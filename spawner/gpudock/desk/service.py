"""The desk's addresses that are neither pages nor operations: health, metrics, the document."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from typing import TYPE_CHECKING, Any

from jupyterhub.services.auth import HubOAuthCallbackHandler
from tornado.web import HTTPError

from gpudock.desk import metrics
from gpudock.desk.endpoints import JSON
from gpudock.desk.errors import forbidden, unavailable
from gpudock.desk.handlers import DeskHandler
from gpudock.store import StoreError

if TYPE_CHECKING:
    from gpudock.desk.backend import Office
    from gpudock.desk.hub_client import DeskOAuth

log = logging.getLogger(__name__)

NOT_YET = (
    "The lab's database is not up to date yet. The hub brings it up to date when it starts; the"
    " desk waits for that."
)


class HealthHandler(DeskHandler):
    """Tells whether the desk can do its work; anybody may ask."""

    async def get(self) -> None:
        """Succeed while the database answers and has the schema of this version."""
        try:
            current = await asyncio.to_thread(self.office.store.is_current)
        except StoreError as error:
            raise unavailable(str(error)) from error
        if not current:
            raise unavailable(NOT_YET)
        self.set_header("Content-Type", JSON)
        self.finish('{"status": "ok"}')


class DocumentHandler(DeskHandler):
    """The OpenAPI document. It holds nothing of the lab, but is shown to its people only."""

    def initialize(self, office: Office, hub_auth: DeskOAuth, document: dict[str, Any]) -> None:  # type: ignore[override]
        """Take what the application hands to every handler."""
        super().initialize(office, hub_auth)
        self._document = document

    async def get(self) -> None:
        """Answer with the document."""
        if await self.recognise() is None:
            raise HTTPError(401)
        self.set_header("Content-Type", JSON)
        self.finish(json.dumps(self._document, ensure_ascii=False))


class MetricsHandler(DeskHandler):
    """Metrics for Prometheus, for whoever may see everything or has the token of the settings."""

    def initialize(  # type: ignore[override]
        self, office: Office, hub_auth: DeskOAuth, metrics_token: str | None
    ) -> None:
        """Take what the application hands to every handler."""
        super().initialize(office, hub_auth)
        self._metrics_token = metrics_token

    async def get(self) -> None:
        """Answer with the metrics."""
        if not self._brings_the_token():
            visitor = await self.recognise()
            if visitor is None:
                raise HTTPError(401)
            if visitor.is_server or not visitor.reads.everyone:
                raise forbidden(
                    "Metrics are for tokens with the scope custom:gpudock:read, or for the one in"
                    " GPUDOCK_METRICS_TOKEN."
                )
        snapshot = await self.office.look(metrics.Snapshot.of)
        body, content_type = metrics.encode(snapshot, self.request.headers.get("Accept", ""))
        self.set_header("Content-Type", content_type)
        self.finish(body)

    def _brings_the_token(self) -> bool:
        if self._metrics_token is None:
            return False
        scheme, _, given = self.request.headers.get("Authorization", "").partition(" ")
        # Both sides are bytes of the header as it came, whatever is in it.
        right = hmac.compare_digest(
            given.strip().encode("utf-8", "surrogateescape"), self._metrics_token.encode()
        )
        return scheme.lower() == "bearer" and right


class CallbackHandler(DeskHandler, HubOAuthCallbackHandler):  # type: ignore[misc]
    """Where the Hub sends a browser back to that has signed in."""
