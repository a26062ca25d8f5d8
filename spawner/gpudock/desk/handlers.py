"""HTTP: what all handlers of the desk share, and the one that serves the REST API."""

from __future__ import annotations

import json
import logging
import re
from http.client import responses
from typing import TYPE_CHECKING, Any, NoReturn

from jupyterhub.services.auth import HubOAuthenticated
from pydantic import BaseModel, TypeAdapter, ValidationError
from tornado.web import HTTPError, RequestHandler, stream_request_body

from gpudock.desk import identity
from gpudock.desk.endpoints import CSV, JSON, Audience, Call, for_others
from gpudock.desk.errors import Refusal, bad, forbidden, unavailable
from gpudock.desk.hub_client import SILENCE, HubSilentError
from gpudock.desk.schema import sentence

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gpudock.desk.backend import Office
    from gpudock.desk.endpoints import Answer, Operation
    from gpudock.desk.hub_client import DeskOAuth
    from gpudock.desk.identity import Visitor

log = logging.getLogger(__name__)

_ETAG = re.compile(r'"([0-9]{1,18})"|([0-9]{1,18})')

_SENTENCES = {
    400: "The request cannot be read.",
    401: "Send a token of the Hub as «Authorization: Bearer …», or sign in with a browser.",
    404: "There is nothing at this address; openapi.json tells what there is.",
    405: "This cannot be done at this address; the header «Allow» tells what can.",
    413: "The request's body is too long.",
    500: "The desk made a mistake, which its log describes. Nothing more is known here.",
}
_LABELS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    500: "internal",
    503: "unavailable",
}


class DeskHandler(HubOAuthenticated, RequestHandler):  # type: ignore[misc]
    """Knows who asks, and answers errors."""

    visitor: Visitor | None = None

    def initialize(self, office: Office, hub_auth: DeskOAuth) -> None:
        """Take what the application hands to every handler."""
        self.office = office
        self.hub_auth = hub_auth

    def set_default_headers(self) -> None:
        """Keep answers out of caches and frames, and the server's name out of the answers."""
        self.clear_header("Server")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Content-Security-Policy", "frame-ancestors 'none'; default-src 'none'")

    def compute_etag(self) -> None:
        """Make no tag of an answer's bytes: tags are revisions here."""

    def get_current_user(self) -> dict[str, Any] | None:
        """Return nobody: who asks is found out by :meth:`recognise`, without blocking."""
        return None

    async def recognise(self) -> Visitor | None:
        """Find out who asks; ``None`` for nobody.

        A browser's cookie counts only together with its XSRF token, as it does at the Hub.

        Raises:
            Refusal: they may not use the desk, or the Hub does not answer.
        """
        try:
            model = await self.hub_auth.get_user(self, sync=False)
        except HubSilentError as error:
            raise unavailable(SILENCE) from error
        self.current_user = model
        if model is None:
            return None
        by_cookie = not getattr(self, "_token_authenticated", False)
        found = identity.identify(model, by_cookie=by_cookie)
        if found is None:
            raise forbidden("You have no access to the desk. Ask an administrator of the Hub.")
        self.visitor = found
        return found

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log mistakes of the desk; a refusal is in the log of requests."""
        if not isinstance(value, HTTPError | Refusal):
            super().log_exception(typ, value, tb)

    def explain(self, status: int, error: BaseException | None) -> tuple[int, str, str]:
        """Return the status, label and sentence that an error is answered with."""
        if isinstance(error, Refusal):
            return error.status, error.error, error.message
        label = _LABELS.get(status, responses.get(status, "error").lower().replace(" ", "_"))
        return status, label, _SENTENCES.get(status, responses.get(status, "Error") + ".")

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Answer a refusal with its own status."""
        info = kwargs.get("exc_info")
        if info is not None and isinstance(info[1], Refusal):
            status_code = info[1].status
        super().send_error(status_code, **kwargs)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an error as ``{"error": …, "message": …}``."""
        info = kwargs.get("exc_info")
        status, label, message = self.explain(status_code, info[1] if info else None)
        self.set_status(status)
        if status == 401:
            self.set_header("WWW-Authenticate", 'Bearer realm="gpudock"')
        self.set_header("Content-Type", JSON)
        self.finish(json.dumps({"error": label, "message": message}, ensure_ascii=False))


class NothingHere(DeskHandler):
    """Answers every address that is none of the desk's."""

    def prepare(self) -> NoReturn:
        """Refuse."""
        raise HTTPError(404)


@stream_request_body
class APIHandler(DeskHandler):
    """Serves the operations of one address: checks who asks and what for, and lets them answer.

    The body is taken only after it is known who sends it.
    """

    def initialize(  # type: ignore[override]
        self, office: Office, hub_auth: DeskOAuth, operations: Mapping[str, Operation]
    ) -> None:
        """Take what the application hands to every handler."""
        super().initialize(office, hub_auth)
        self._operations = operations
        self._body = bytearray()
        self._too_long = False

    async def prepare(self) -> None:
        """Check all that does not need the body."""
        self._operation = self._operations.get(self.request.method or "")
        visitor = await self.recognise()
        if visitor is None:
            raise self._stranger()
        if self._operation is None:
            raise HTTPError(405)
        _admit(visitor, self._operation.audience)
        length = self.request.headers.get("Content-Length", "0")
        if length.isdigit() and int(length) > self._limit:
            raise self._oversize()

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an error; of a method that is not there, tell those that are."""
        if status_code == 405:
            self.set_header("Allow", ", ".join(sorted(self._operations)))
        super().write_error(status_code, **kwargs)

    def data_received(self, chunk: bytes) -> None:
        """Take a piece of the body; what is too long is not kept."""
        self._too_long = self._too_long or len(self._body) + len(chunk) > self._limit
        if not self._too_long:
            self._body += chunk

    @property
    def _limit(self) -> int:
        return self._operation.largest_body if self._operation is not None else 0

    def _stranger(self) -> Refusal:
        if self.hub_auth.get_token(self, in_cookie=False):
            message = "The Hub does not know this token (any more). Make a new one on its page."
            return Refusal(401, "unauthorized", message)
        if self.get_cookie(self.hub_auth.cookie_name):
            return Refusal(
                403,
                "xsrf",
                "The request did not come from a page of the desk, or the session has ended."
                " Reload the page; a program sends a token as «Authorization: Bearer …».",
            )
        return Refusal(401, "unauthorized", _SENTENCES[401])

    def _oversize(self) -> Refusal:
        return Refusal(
            413, "too_large", f"The request's body is too long: {self._limit} bytes are the limit."
        )

    async def _serve(self, **path: str) -> None:
        if self._too_long:
            raise self._oversize()
        operation, visitor = self._operation, self.visitor
        assert operation is not None
        assert visitor is not None
        path_values = {name: _parsed(operation.path_types[name], path[name], name) for name in path}
        query = _query(operation, self.request.query_arguments)
        body = self._parse_body(operation)
        # What makes no sense is refused as such, whatever it is to depend on.
        revision, must_exist = self._conditions(operation)
        call = Call(
            visitor=visitor,
            office=self.office,
            path=path_values,
            query=query,
            body=body,
            revision=revision,
            must_exist=must_exist,
        )
        self._send(await operation.function(call))

    get = post = put = patch = delete = _serve

    def _parse_body(self, operation: Operation) -> Any:
        body = bytes(self._body)
        if operation.body is None:
            if body:
                raise bad("This takes no body.")
            return None
        if not body and not operation.body_required:
            return None
        media = self.request.headers.get("Content-Type", "").split(";")[0].strip().lower()
        if media != operation.body_media:
            message = f"Send the body as {operation.body_media}, and say so in «Content-Type»."
            raise Refusal(415, "unsupported_media_type", message)
        try:
            text = body.decode("utf-8-sig" if operation.body_media == CSV else "utf-8")
        except UnicodeDecodeError as error:
            raise bad(f"The body is not UTF-8: byte {error.start} fits nothing.") from error
        if operation.body is str:
            return text
        return _parsed(TypeAdapter(operation.body), _json(text), "the body")

    def _conditions(self, operation: Operation) -> tuple[int | None, bool]:
        """Return the demanded revision, and whether there has to be one."""
        match = self.request.headers.get("If-Match")
        none_match = self.request.headers.get("If-None-Match")
        if not operation.conditional or self.request.method == "GET":
            return None, False
        found = None if match in (None, "*") else _ETAG.fullmatch(str(match))
        if found is None and match not in (None, "*"):
            raise bad('If-Match is «*» or the ETag of the document, such as «"17"».')
        if none_match not in (None, "*"):
            raise bad("If-None-Match can only be «*»: that there is no document yet.")
        if match is not None and none_match is not None:
            message = "If-Match demands a document and If-None-Match none: both cannot be true."
            raise Refusal(412, "precondition_failed", message)
        if none_match is not None:
            return 0, False
        return (int(found[1] or found[2]) if found else None), match == "*"

    def _send(self, answer: Answer) -> None:
        self.set_status(answer.status)
        if answer.revision is not None:
            self.set_header("ETag", f'"{answer.revision}"')
        if answer.filename is not None:
            disposition = f'attachment; filename="{answer.filename}"'
            self.set_header("Content-Disposition", disposition)
        if answer.content is None:
            self.finish()
            return
        charset = "; charset=utf-8" if answer.media_type.startswith("text/") else ""
        self.set_header("Content-Type", answer.media_type + charset)
        content = answer.content
        self.finish(content.model_dump_json() if isinstance(content, BaseModel) else content)


def _admit(visitor: Visitor, audience: Audience) -> None:
    """Refuse whoever may not ask at all.

    Raises:
        Refusal: they may not.
    """
    if visitor.is_server and audience is not Audience.SERVER:
        raise forbidden(
            "The token of a server may only ask for its user's sessions, limits and places in the"
            " queue. Use a token that you made on the Hub's page «Token»."
        )
    enough = {
        Audience.LEAD: visitor.manages.beyond_oneself,
        Audience.READER: visitor.reads.everyone,
        Audience.MANAGER: visitor.manages.everyone,
    }
    if not enough.get(audience, True):
        raise for_others(audience)


def _parsed(kind: TypeAdapter[Any], value: Any, name: str) -> Any:
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        raise bad(sentence(error, name)) from error


def _query(operation: Operation, arguments: Mapping[str, list[bytes]]) -> BaseModel:
    values: dict[str, str] = {}
    for name, given in arguments.items():
        if len(given) > 1:
            raise bad(f"The parameter «{name}» is there {len(given)} times. Give it once.")
        try:
            values[name] = given[0].decode()
        except UnicodeDecodeError as error:
            raise bad(f"The parameter «{name}» is not UTF-8.") from error
    try:
        return operation.query.model_validate_strings(values)
    except ValidationError as error:
        raise bad(sentence(error, "the address")) from error


def _number(text: str) -> float:
    """Read a number; JSON makes no difference between 2.0 and 2."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _json(text: str) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise bad(f"The body contains {constant}, which is no number of JSON.")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise bad("The body names a field twice in one object.")
        return found

    try:
        return json.loads(text, parse_constant=refuse, parse_float=_number, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        detail = str(error) if isinstance(error, json.JSONDecodeError) else "it is too large"
        raise bad(f"The body is no JSON: {detail}.") from error
