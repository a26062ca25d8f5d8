"""Those who wait for a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from gpudock.desk.api.rights import owns_or_manages, readable
from gpudock.desk.endpoints import Answer, Audience, Call, Catalogue
from gpudock.desk.errors import forbidden, missing
from gpudock.desk.schema import Identifier, Shown

if TYPE_CHECKING:
    from gpudock.broker import QueueEntry

catalogue = Catalogue()


class Waiting(Shown):
    """A server that waits for a GPU."""

    id: str
    user: str
    server: str = Field(description="The server's name; empty for the user's default server")
    gpus: int
    gpu_model: str | None = Field(description="The wished model, as a pattern")
    share: Literal["exclusive", "shared"]
    created_at: float
    position: int = Field(description="1 is next")
    length: int = Field(description="How many wait in all")
    reason: str = Field(description="A sentence on what it waits for")
    expected_start: float | None = Field(
        description="When it starts if nobody ends earlier and nobody comes before it"
    )


class Queue(Shown):
    """Those who wait, the next one first."""

    queue: list[Waiting]
    length: int = Field(description="How many wait in all, also those that are not told here")


@catalogue.add("GET", "queue", "Those who wait", audience=Audience.SERVER, answer=Queue)
async def list_queue(call: Call) -> Answer:
    """One's own places in the queue; those of others as far as one may see them."""
    names = await readable(call)
    entries = await call.office.look(lambda broker: broker.queue.entries())
    told = [_shown(entry) for entry in entries if names is None or entry.request.user in names]
    return Answer(Queue(queue=told, length=len(entries)))


@catalogue.add(
    "DELETE",
    "queue/{id}",
    "Stop waiting",
    audience=Audience.USER,
    path_types={"id": Identifier},
    status=204,
    media=(),
)
async def cancel_request(call: Call) -> Answer:
    """Take a request out of the queue: one's own, or an administrator. Its start ends."""
    waiting = await call.office.look(lambda broker: broker.queue.waiting())
    names = await readable(call)
    request = next((item for item in waiting if item.id == call.path["id"]), None)
    if request is None or (names is not None and request.user not in names):
        raise missing("Nobody waits with that id (any more).")
    if not owns_or_manages(call, request.user):
        raise forbidden("Only its user and administrators may take a request out of the queue.")
    actor = call.visitor.actor
    if not await call.office.act(lambda broker: broker.queue.cancel(request.id, actor)):
        raise missing("Nobody waits with that id any more.")
    await call.office.hub.stop_server(request.user, request.server)
    return Answer(status=204)


def _shown(entry: QueueEntry) -> Waiting:
    request, place = entry.request, entry.place
    return Waiting(
        id=request.id,
        user=request.user,
        server=request.server,
        gpus=request.gpus,
        gpu_model=request.gpu_model,
        share=request.share.value,
        created_at=request.created_at,
        position=place.position,
        length=place.length,
        reason=place.reason,
        expected_start=place.expected_start,
    )
