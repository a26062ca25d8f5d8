"""The queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from gpudock.desk.api.rights import owns_or_manages, readable_users
from gpudock.desk.endpoints import APIRequest, Audience, Router
from gpudock.desk.errors import ForbiddenError, NotFoundError
from gpudock.desk.schema import ResponseModel, Sentence
from gpudock.language import Message
from gpudock.language.recognition import recognized

if TYPE_CHECKING:
    from gpudock.broker import QueueEntry

router = Router()


class WaitingRequest(ResponseModel):
    """A server that waits for a GPU."""

    id: str
    user: str
    server: str = Field(description="The server's name; empty for the user's default server")
    gpus: int
    gpu_model: str | None = Field(description="The requested model, as a pattern")
    share: Literal["exclusive", "shared"]
    created_at: float
    position: int = Field(description="1 is next")
    length: int = Field(description="Length of the queue")
    reason: Sentence = Field(description="A sentence on what it waits for")
    expected_start: float | None = Field(
        description="When it starts if no session ends early and no request goes before it"
    )
    latest_start: float | None = Field(
        description="The same if all requests that may still come first do so; null when that is"
        " unknown"
    )


class Queue(ResponseModel):
    """The queue, the next request first."""

    queue: list[WaitingRequest]
    length: int = Field(description="Length of the queue, with the requests not shown here")


@router.add("GET", "queue", Audience.SERVER, answer=Queue)
async def list_queue(request: APIRequest) -> Queue:
    """List waiting requests.

    These are the requests that the caller may read: their own at least.
    """
    users = await readable_users(request)
    entries = await request.backend.read(lambda broker: broker.queue.entries())
    shown = [_shown(entry) for entry in entries if users is None or entry.request.user in users]
    return Queue(queue=shown, length=len(entries))


@router.add("DELETE", "queue/{id}", Audience.USER)
async def cancel_request(request: APIRequest) -> None:
    """Cancel a waiting request.

    It leaves the queue, and its start ends. Administrators may cancel any request.
    """
    backend = request.backend
    queue = await backend.read(lambda broker: broker.queue.waiting())
    users = await readable_users(request)
    waiting = next((item for item in queue if item.id == request.path["id"]), None)
    if waiting is None or (users is not None and waiting.user not in users):
        raise NotFoundError(Message("No request with that id is waiting (any more)."))
    if not owns_or_manages(request, waiting.user):
        raise ForbiddenError(Message("Only its user and administrators may cancel this request."))
    actor = request.principal.actor
    if not await backend.write(lambda broker: broker.queue.cancel(waiting.id, actor)):
        raise NotFoundError(Message("No request with that id is waiting any more."))
    await backend.hub.stop_server(waiting.user, waiting.server)


def _shown(entry: QueueEntry) -> WaitingRequest:
    waiting = entry.request
    return WaitingRequest(
        id=waiting.id,
        user=waiting.user,
        server=waiting.server,
        gpus=waiting.gpus,
        gpu_model=waiting.gpu_model,
        share=waiting.share.value,
        created_at=waiting.created_at,
        **entry.place._replace(reason=recognized(entry.place.reason))._asdict(),
    )
