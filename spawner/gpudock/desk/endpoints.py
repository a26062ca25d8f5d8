"""The endpoints of the REST API, declared once.

An :class:`Endpoint` states its path and method, what it takes and returns, and who may call it. The
routes, the validation of requests and the OpenAPI document all come from these declarations.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, TypeAdapter

from gpudock.desk.errors import ForbiddenError
from gpudock.desk.schema import DeviceUUID, Identifier, Name, RequestModel
from gpudock.language import Message

if TYPE_CHECKING:
    from gpudock.desk.backend import Backend
    from gpudock.desk.identity import Principal

JSON = "application/json"
CSV = "text/csv"
MAX_BODY_BYTES = 256 * 1024
"""The largest request body of an endpoint that sets no limit of its own."""

PATH_TYPES: Mapping[str, TypeAdapter[Any]] = {
    "id": TypeAdapter(Identifier),
    "name": TypeAdapter(Name),
    "user": TypeAdapter(Name),
    "uuid": TypeAdapter(DeviceUUID),
}
"""The type of each parameter in a path."""


_LEADS = Message(
    "holders of the scope `custom:gpudock:manage`; with that scope for one group only, for the"
    " group's members"
)
_READERS = Message("holders of the scope `custom:gpudock:read`")
_MANAGERS = Message("holders of the scope `custom:gpudock:manage`")


class Audience(enum.StrEnum):
    """Who may call an endpoint at all; the endpoint itself checks whose data is asked for."""

    SERVER = "all users of the desk and for users' servers"
    USER = "all users of the desk"
    LEAD = _LEADS
    READER = _READERS
    MANAGER = _MANAGERS


def not_for(audience: Audience) -> ForbiddenError:
    """Return the error for a principal who does not belong to *audience*."""
    names = {Audience.LEAD: _LEADS, Audience.READER: _READERS, Audience.MANAGER: _MANAGERS}
    return ForbiddenError(
        Message(
            "This is for {audience}. Ask an administrator for it.",
            audience=names.get(audience, audience.value),
        )
    )


class NoQuery(RequestModel):
    """The query of an endpoint without parameters."""


@dataclass(frozen=True, slots=True)
class Response:
    """What an endpoint returns if it is more than a model.

    Attributes:
        content: a model, text of another media type, or nothing.
        revision: the header ``ETag``, of what can be changed with ``If-Match``.
        filename: the name under which a browser saves the content.
        media_type: of *content*.
    """

    content: BaseModel | str | None
    revision: int | None = None
    filename: str | None = None
    media_type: str = JSON


@dataclass(frozen=True, slots=True)
class APIRequest:
    """One request, validated as its endpoint declares.

    Attributes:
        principal: who sent it.
        backend: the lab and the Hub.
        path: the parameters in the path.
        query: the validated query.
        body: the validated body; text for anything but JSON.
        revision: the current revision that ``If-Match`` or ``If-None-Match: *`` demands; 0: there
            is no document, ``None``: any.
        must_exist: ``If-Match: *``.
    """

    principal: Principal
    backend: Backend
    path: Mapping[str, Any]
    query: Any
    body: Any
    revision: int | None = None
    must_exist: bool = False


Function = Callable[[APIRequest], Awaitable[Response | BaseModel | None]]
F = TypeVar("F", bound=Function)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path.

    Attributes:
        function: handles a request.
        name: unique; the operation's id in the OpenAPI document.
        method: the HTTP method.
        path: below the API's address, with parameters in braces.
        summary, description: for people.
        audience: who may call it.
        status: the status of a successful response.
        media: the media types of the response; empty for one without content.
        query: the model of the query.
        body: the type of a JSON body; ``str`` for a body of *body_media*; ``None`` for none.
        body_required: whether the body must be sent.
        body_media: the media type of the body.
        max_body_bytes: the largest body.
        answer: the model of a JSON response.
        errors: error statuses beyond those that every endpoint has.
        conditional: whether ``If-Match`` and ``If-None-Match`` are supported, and ``ETag`` sent.
    """

    function: Function
    name: str
    method: str
    path: str
    summary: str
    description: str
    audience: Audience
    status: int
    media: tuple[str, ...]
    query: type[BaseModel] = NoQuery
    body: Any = None
    body_required: bool = True
    body_media: str = JSON
    max_body_bytes: int = MAX_BODY_BYTES
    answer: type[BaseModel] | None = None
    errors: tuple[int, ...] = ()
    conditional: bool = False

    @property
    def tag(self) -> str:
        """The first part of the path, by which the documentation is sorted."""
        return self.path.split("/")[0].split(".")[0]


class Router:
    """The endpoints of one part of the API."""

    def __init__(self) -> None:
        self.endpoints: list[Endpoint] = []

    def add(
        self,
        method: str,
        path: str,
        audience: Audience,
        *,
        answer: type[BaseModel] | None = None,
        **declared: Any,
    ) -> Callable[[F], F]:
        """Register the decorated function as an endpoint, with its docstring as documentation."""
        media = declared.setdefault("media", () if answer is None else (JSON,))
        declared.setdefault("status", 200 if media else 204)

        def register(function: F) -> F:
            first, *rest = function.__name__.split("_")
            summary, _, description = (function.__doc__ or "").partition("\n")
            self.endpoints.append(
                Endpoint(
                    function=function,
                    name=first + "".join(word.capitalize() for word in rest),
                    method=method,
                    path=path,
                    summary=summary.removesuffix("."),
                    description=" ".join(description.split()),
                    audience=audience,
                    answer=answer,
                    **declared,
                )
            )
            return function

        return register
