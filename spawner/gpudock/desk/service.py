"""The handlers of health, metrics, the OpenAPI document and the sign-in."""

from __future__ import annotations

import asyncio
import functools
import hmac
import json
import logging

from jupyterhub.services.auth import HubOAuthCallbackHandler
from tornado.web import HTTPError

from gpudock.desk import metrics
from gpudock.desk.api import ENDPOINTS
from gpudock.desk.endpoints import JSON
from gpudock.desk.errors import ForbiddenError, UnavailableError
from gpudock.desk.handlers import DeskHandler
from gpudock.desk.openapi import document
from gpudock.language import Message, message_of
from gpudock.store import StoreError

log = logging.getLogger(__name__)

NOT_MIGRATED = Message(
    "The lab's database is not up to date yet. The hub updates it when it starts; the desk waits."
)


class HealthHandler(DeskHandler):
    """Answers whether the desk works, to everybody."""

    async def get(self) -> None:
        """Succeed if the database answers and has the schema of this version."""
        try:
            current = await asyncio.to_thread(self.backend.store.is_current)
        except StoreError as error:
            raise UnavailableError(message_of(error)) from error
        if not current:
            raise UnavailableError(NOT_MIGRATED)
        self.set_header("Content-Type", JSON)
        self.finish('{"status": "ok"}')


class DocumentHandler(DeskHandler):
    """Serves the OpenAPI document to users of the desk."""

    async def get(self) -> None:
        """Send the document."""
        if await self.authenticate() is None:
            raise HTTPError(401)
        self.set_header("Content-Type", JSON)
        self.finish(_document(self.hub_auth.base_url))


@functools.cache
def _document(prefix: str) -> str:
    return json.dumps(document(ENDPOINTS, prefix), ensure_ascii=False)


class MetricsHandler(DeskHandler):
    """Serves metrics to those who may read everything or have the token in the settings."""

    async def get(self) -> None:
        """Send the metrics."""
        if not self._has_metrics_token():
            principal = await self.authenticate()
            if principal is None:
                raise HTTPError(401)
            if principal.is_server or not principal.reads.everyone:
                raise ForbiddenError(
                    Message(
                        "Metrics are for tokens with the scope custom:gpudock:read, or for the one"
                        " in GPUDOCK_METRICS_TOKEN."
                    )
                )
        snapshot = await self.backend.read(metrics.Snapshot.of)
        body, content_type = metrics.encode(snapshot, self.request.headers.get("Accept", ""))
        self.set_header("Content-Type", content_type)
        self.finish(body)

    def _has_metrics_token(self) -> bool:
        token = self.settings["metrics_token"]
        if token is None:
            return False
        scheme, _, given = self.request.headers.get("Authorization", "").partition(" ")
        # Bytes, since text that is not ASCII cannot be compared.
        right = hmac.compare_digest(
            given.strip().encode("utf-8", "surrogateescape"), token.encode()
        )
        return scheme.lower() == "bearer" and right


class CallbackHandler(DeskHandler, HubOAuthCallbackHandler):  # type: ignore[misc]
    """Receives browsers that have signed in at the Hub."""
