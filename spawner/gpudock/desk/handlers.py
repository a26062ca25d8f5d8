"""The base of the desk's HTTP handlers, and the handler of the REST API."""

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
from gpudock.desk.endpoints import CSV, JSON, PATH_TYPES, APIRequest, Audience, Response, not_for
from gpudock.desk.errors import (
    APIError,
    BadRequestError,
    CrossSiteError,
    ForbiddenError,
    MediaTypeError,
    PreconditionError,
    TooLargeError,
    UnauthorizedError,
)
from gpudock.desk.schema import sentence
from gpudock.language import Message, message_of, sentences
from gpudock.language.catalog import localized, read_in
from gpudock.policy.csv_file import CSVFileError, decode
from gpudock.policy.quota.errors import at_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gpudock.desk.backend import Backend
    from gpudock.desk.endpoints import Endpoint
    from gpudock.desk.hub_client import DeskOAuth
    from gpudock.desk.identity import Principal

log = logging.getLogger(__name__)

_MAX_READ_BYTES = 32 * 2**20
_ETAG = re.compile(r'"([0-9]{1,18})"|([0-9]{1,18})')

_MESSAGES = {
    400: Message("The request cannot be read."),
    401: Message(
        'Send a token of the Hub as "Authorization: Bearer …", or sign in with a browser.'
    ),
    404: Message("There is nothing at this address; openapi.json lists all addresses."),
    405: Message(
        'This address does not support the method; the header "Allow" lists those it does.'
    ),
    413: Message("The body of the request is too large."),
    500: Message("The desk failed; its log says why."),
}
# Of the others, the label is the standard phrase of the status.
_LABELS = {413: "too_large", 500: "internal", 503: "unavailable"}


class DeskHandler(HubOAuthenticated, RequestHandler):  # type: ignore[misc]
    """Authenticates requests, and answers errors."""

    principal: Principal | None = None

    def initialize(self, backend: Backend, hub_auth: DeskOAuth) -> None:
        """Take the arguments of the route."""
        self.backend = backend
        self.hub_auth = hub_auth
        read_in(self.request.headers.get("Accept-Language", ""))

    def set_default_headers(self) -> None:
        """Keep responses out of caches and frames, and the server's name out of responses."""
        self.clear_header("Server")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Vary", "Accept-Language")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Content-Security-Policy", "frame-ancestors 'none'; default-src 'none'")

    def compute_etag(self) -> None:
        """Make no tag from the content: tags are revisions here."""

    def get_current_user(self) -> dict[str, Any] | None:
        """Return nobody: :meth:`authenticate` does this without blocking."""
        return None

    async def authenticate(self) -> Principal | None:
        """Return who sent the request; ``None`` for nobody.

        A browser's cookie counts only together with its XSRF token, as at the Hub.

        Raises:
            ForbiddenError: they may not use the desk.
            HubUnreachableError: the Hub does not answer.
        """
        model = await self.hub_auth.get_user(self, sync=False)
        self.current_user = model
        if model is None:
            return None
        by_cookie = not getattr(self, "_token_authenticated", False)
        found = identity.identify(model, by_cookie=by_cookie)
        if found is None:
            raise ForbiddenError(
                Message("You have no access to the desk. Ask an administrator of the Hub.")
            )
        if found.user is not None and await self.backend.is_deactivated(found.user):
            raise ForbiddenError(
                Message("An administrator has deactivated your account. Ask them to activate it.")
            )
        if identity.may_act_as_manager(found, model):
            managed = await self.backend.hub.managed_by(str(found.user))
            found = identity.with_groups(found, managed) if managed else found
        self.principal = found
        return found

    def explain(self, status: int, error: BaseException | None) -> tuple[int, str, str]:
        """Return the status, label and message that an error is answered with."""
        if isinstance(error, APIError):
            return error.status, error.label, error.message
        label = _LABELS.get(status, responses.get(status, "error").lower().replace(" ", "_"))
        return status, label, _MESSAGES.get(status, responses.get(status, "Error") + ".")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an error as ``{"error": …, "message": …}``."""
        info = kwargs.get("exc_info")
        status, label, message = self.explain(status_code, info[1] if info else None)
        self.set_status(status)
        if status == 401:
            self.set_header("WWW-Authenticate", 'Bearer realm="gpudock"')
        self.set_header("Content-Type", JSON)
        self.finish(json.dumps({"error": label, "message": localized(message)}, ensure_ascii=False))


class NotFoundHandler(DeskHandler):
    """Answers addresses that the desk does not have."""

    def prepare(self) -> NoReturn:
        """Raise 404."""
        raise HTTPError(404)


@stream_request_body
class APIHandler(DeskHandler):
    """Serves the endpoints of one path: authenticates, validates, and calls the endpoint.

    The body is read only after the principal is known.
    """

    def initialize(  # type: ignore[override]
        self, backend: Backend, hub_auth: DeskOAuth, endpoints: Mapping[str, Endpoint]
    ) -> None:
        """Take the arguments of the route."""
        super().initialize(backend, hub_auth)
        self._endpoints = endpoints
        self._body = bytearray()
        self._too_large = False

    async def prepare(self) -> None:
        """Check everything that does not need the body."""
        self._endpoint = self._endpoints.get(self.request.method or "")
        principal = await self.authenticate()
        if principal is None:
            raise self._unauthenticated()
        if self._endpoint is None:
            raise HTTPError(405)
        _check_audience(principal, self._endpoint.audience)
        length = self.request.headers.get("Content-Length", "0")
        if length.isdigit() and int(length) > self._limit:
            raise self._body_too_large()
        # The limit of the server is for requests that come from nobody known. From here on only as
        # much of the body is kept as the endpoint takes; the rest is read to answer with a message.
        connection: Any = self.request.connection
        connection.set_max_body_size(_MAX_READ_BYTES)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an error; name the methods that are supported if one is not."""
        if status_code == 405:
            self.set_header("Allow", ", ".join(sorted(self._endpoints)))
        super().write_error(status_code, **kwargs)

    def data_received(self, chunk: bytes) -> None:
        """Take a chunk of the body; a body that is too large is not kept."""
        self._too_large = self._too_large or len(self._body) + len(chunk) > self._limit
        if not self._too_large:
            self._body += chunk

    @property
    def _limit(self) -> int:
        return self._endpoint.max_body_bytes if self._endpoint is not None else 0

    def _unauthenticated(self) -> APIError:
        if self.hub_auth.get_token(self, in_cookie=False):
            message = Message(
                "The Hub does not know this token (any more). Make a new one on its Token page."
            )
            return UnauthorizedError(message)
        if self.get_cookie(self.hub_auth.cookie_name):
            return CrossSiteError(
                Message(
                    "The request did not come from a page of the desk, or the session has ended."
                    ' Reload the page; programs send a token as "Authorization: Bearer …".'
                )
            )
        return UnauthorizedError(_MESSAGES[401])

    def _body_too_large(self) -> APIError:
        return TooLargeError(
            Message(
                "The body of the request is too large: the limit is {limit} bytes.",
                limit=self._limit,
            )
        )

    async def _serve(self, **path: str) -> None:
        if self._too_large:
            raise self._body_too_large()
        endpoint, principal = self._endpoint, self.principal
        assert endpoint is not None
        assert principal is not None
        path_values = {name: _parsed(PATH_TYPES[name], path[name], name) for name in path}
        query = _query(endpoint, self.request.query_arguments)
        body = self._parse_body(endpoint)
        # Last, so that an invalid request is answered as such whatever its conditions.
        revision, must_exist = self._conditions(endpoint)
        request = APIRequest(
            principal=principal,
            backend=self.backend,
            path=path_values,
            query=query,
            body=body,
            revision=revision,
            must_exist=must_exist,
        )
        result = await endpoint.function(request)
        self._send(endpoint, result if isinstance(result, Response) else Response(result))

    get = post = put = patch = delete = _serve

    def _parse_body(self, endpoint: Endpoint) -> Any:
        body = bytes(self._body)
        if endpoint.body is None:
            if body:
                raise BadRequestError(Message("This request takes no body."))
            return None
        if not body and not endpoint.body_required:
            return None
        media = self.request.headers.get("Content-Type", "").split(";")[0].strip().lower()
        if media != endpoint.body_media:
            message = Message(
                'Send the body as {media}, with that "Content-Type".', media=endpoint.body_media
            )
            raise MediaTypeError(message)
        try:
            text = decode(body) if endpoint.body_media == CSV else body.decode("utf-8")
        except CSVFileError as error:
            problem = message_of(error)
            if error.line is not None:
                problem = at_line(error.line, problem)
            unchanged = Message("Nothing was changed.")
            raise BadRequestError(sentences(problem, unchanged)) from error
        except UnicodeDecodeError as error:
            raise BadRequestError(
                Message("The body is not UTF-8: byte {byte} is not valid.", byte=error.start)
            ) from error
        if endpoint.body is str:
            return text
        return _parsed(TypeAdapter(endpoint.body), _json(text), "the body")

    def _conditions(self, endpoint: Endpoint) -> tuple[int | None, bool]:
        """Return the revision that the document must have, and whether it must exist."""
        match = self.request.headers.get("If-Match")
        none_match = self.request.headers.get("If-None-Match")
        if not endpoint.conditional or self.request.method == "GET":
            return None, False
        found = None if match in (None, "*") else _ETAG.fullmatch(str(match))
        if found is None and match not in (None, "*"):
            raise BadRequestError(
                Message('If-Match is * or the ETag of the document, such as "17" with its quotes.')
            )
        if none_match not in (None, "*"):
            raise BadRequestError(
                Message("If-None-Match can only be *, for a document that does not exist yet.")
            )
        if match is not None and none_match is not None:
            message = Message(
                "If-Match and If-None-Match exclude each other: only one can be true."
            )
            raise PreconditionError(message)
        if none_match is not None:
            return 0, False
        return (int(found[1] or found[2]) if found else None), match == "*"

    def _send(self, endpoint: Endpoint, response: Response) -> None:
        self.set_status(endpoint.status)
        if response.revision is not None:
            self.set_header("ETag", f'"{response.revision}"')
        if response.filename is not None:
            disposition = f'attachment; filename="{response.filename}"'
            self.set_header("Content-Disposition", disposition)
        content = response.content
        if content is None:
            self.finish()
            return
        charset = "; charset=utf-8" if response.media_type.startswith("text/") else ""
        self.set_header("Content-Type", response.media_type + charset)
        self.finish(content.model_dump_json() if isinstance(content, BaseModel) else content)


def _check_audience(principal: Principal, audience: Audience) -> None:
    """Raise :class:`ForbiddenError` unless the principal belongs to the audience."""
    if principal.is_server and audience is not Audience.SERVER:
        raise ForbiddenError(
            Message(
                "The token of a server gives access to its user's sessions, limits and places in"
                " the queue only. Use a token that you made on the Hub's Token page."
            )
        )
    enough = {
        Audience.LEAD: bool(principal.manages),
        Audience.READER: principal.reads.everyone,
        Audience.MANAGER: principal.manages.everyone,
    }
    if not enough.get(audience, True):
        raise not_for(audience)


def _parsed(kind: TypeAdapter[Any], value: Any, name: str) -> Any:
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        raise BadRequestError(sentence(error, name)) from error


def _query(endpoint: Endpoint, arguments: Mapping[str, list[bytes]]) -> BaseModel:
    values: dict[str, str] = {}
    for name, given in arguments.items():
        if len(given) > 1:
            raise BadRequestError(
                Message(
                    'The parameter "{name}" is given {count} times. Give it once.',
                    name=name,
                    count=len(given),
                )
            )
        try:
            values[name] = given[0].decode()
        except UnicodeDecodeError as error:
            problem = Message('The parameter "{name}" is not UTF-8.', name=name)
            raise BadRequestError(problem) from error
    try:
        return endpoint.query.model_validate_strings(values)
    except ValidationError as error:
        raise BadRequestError(sentence(error, "the address")) from error


def _number(text: str) -> float:
    """Read a number; to JSON, 2.0 and 2 are the same."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) <= 2**53 else number


def _json(text: str) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise BadRequestError(
            Message("The body contains {constant}, which JSON does not have.", constant=constant)
        )

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise BadRequestError(Message("The body has a field twice in one object."))
        return found

    try:
        return json.loads(text, parse_constant=refuse, parse_float=_number, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        is_too_large = not isinstance(error, json.JSONDecodeError)
        problem = Message("it is too large") if is_too_large else str(error)
        raise BadRequestError(
            Message("The body is not JSON: {problem}.", problem=problem)
        ) from error
