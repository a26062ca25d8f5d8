"""What can be asked of the REST API, declared once.

An :class:`Operation` says which address and method it has, what it takes and gives, and who may
ask; the routes, the validation of requests and the OpenAPI document all come from it.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, TypeAdapter

from gpudock.desk.errors import Refusal, forbidden
from gpudock.desk.schema import Strict

if TYPE_CHECKING:
    from gpudock.desk.backend import Office
    from gpudock.desk.identity import Visitor

JSON = "application/json"
CSV = "text/csv"
LARGEST_BODY = 256 * 1024
"""How long a request's body may be, bytes, where an operation says nothing else."""


class Audience(enum.StrEnum):
    """Who may ask for an operation at all; the operation itself says for whose things."""

    SERVER = "everybody who may use the desk, and the servers of users"
    USER = "everybody who may use the desk"
    LEAD = (
        "whoever has the scope `custom:gpudock:manage`, or has it for a group: then for the"
        " group's members"
    )
    READER = "whoever has the scope `custom:gpudock:read`"
    MANAGER = "whoever has the scope `custom:gpudock:manage`"


def for_others(audience: Audience) -> Refusal:
    """Refuse somebody who does not belong to *audience*."""
    return forbidden(f"This is for {audience.value}. Ask an administrator for it.")


class NoQuery(Strict):
    """An operation that takes no parameters."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation gives back.

    Attributes:
        content: the answer as the operation declares it, or a text of another type.
        status: the HTTP status.
        revision: for the header ``ETag``, of what can be changed by ``If-Match``.
        filename: for an answer that is to be kept as a file.
        media_type: what *content* is.
    """

    content: BaseModel | str | None = None
    status: int = 200
    revision: int | None = None
    filename: str | None = None
    media_type: str = JSON


@dataclass(frozen=True, slots=True)
class Call:
    """One request, checked as far as its operation declares.

    Attributes:
        visitor: who asks.
        office: what answers.
        path: the parameters in the address.
        query: the parameters behind it.
        body: the checked body; the text itself for anything but JSON.
        revision: what ``If-Match`` or ``If-None-Match: *`` demands of the present revision; 0 for
            «there is none», ``None`` for nothing.
        must_exist: ``If-Match: *``.
    """

    visitor: Visitor
    office: Office
    path: Mapping[str, Any]
    query: Any
    body: Any
    revision: int | None = None
    must_exist: bool = False


Function = Callable[[Call], Awaitable[Answer]]
F = TypeVar("F", bound=Function)


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked.

    Attributes:
        function: does it.
        name: unique, for the OpenAPI document.
        method: of HTTP.
        path: below the API's address, with ``{names}``.
        summary, description: for people.
        audience: who may ask.
        path_types: the type of each name in *path*.
        query: the parameters that it takes.
        body: the type of a JSON body; ``str`` for a body of *body_media*; ``None`` for none.
        body_required: whether there has to be a body.
        body_media: the type of the body.
        largest_body: bytes.
        answer: the type of the answer's content; ``None`` for an answer without.
        status: of an answer that is no refusal.
        media: the types that the answer may have.
        errors: statuses of refusals besides those that every operation has.
        conditional: whether ``If-Match`` and ``If-None-Match`` are heeded, and ``ETag`` given.
    """

    function: Function
    name: str
    method: str
    path: str
    summary: str
    description: str
    audience: Audience
    path_types: Mapping[str, TypeAdapter[Any]] = field(default_factory=dict)
    query: type[BaseModel] = NoQuery
    body: type[Any] | None = None
    body_required: bool = True
    body_media: str = JSON
    largest_body: int = LARGEST_BODY
    answer: type[BaseModel] | None = None
    status: int = 200
    media: tuple[str, ...] = (JSON,)
    errors: tuple[int, ...] = ()
    conditional: bool = False

    @property
    def tag(self) -> str:
        """The first word of the address, by which the documentation is ordered."""
        return self.path.split("/")[0].split(".")[0]


class Catalogue:
    """The operations of one part of the API, filled by decorating functions."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def add(
        self,
        method: str,
        path: str,
        summary: str,
        *,
        audience: Audience,
        path_types: Mapping[str, Any] | None = None,
        **declared: Any,
    ) -> Callable[[F], F]:
        """Declare an operation whose function is decorated; its docstring is the description."""

        def declare(function: F) -> F:
            first, *rest = function.__name__.split("_")
            self.operations.append(
                Operation(
                    function=function,
                    name=first + "".join(word.capitalize() for word in rest),
                    method=method,
                    path=path,
                    summary=summary,
                    description=" ".join((function.__doc__ or "").split()),
                    audience=audience,
                    path_types={
                        name: TypeAdapter(kind) for name, kind in (path_types or {}).items()
                    },
                    **declared,
                )
            )
            return function

        return declare
