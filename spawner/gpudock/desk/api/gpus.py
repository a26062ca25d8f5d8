"""The lab's GPUs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import ConfigDict, Field, model_validator

from gpudock.broker import GPUStateError
from gpudock.desk.api.rights import readable_users
from gpudock.desk.endpoints import APIRequest, Audience, Router
from gpudock.desk.errors import ConflictError, NotFoundError
from gpudock.desk.schema import RequestModel, ResponseModel, Sentence
from gpudock.inventory import is_without_gpus
from gpudock.language import Message, message_of
from gpudock.language.recognition import recognized

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gpudock.broker import DeskBroker, GPUStatus
    from gpudock.policy.sessions import Session

T = TypeVar("T")

router = Router()


class Holder(ResponseModel):
    """A session that has a GPU or a slot of it. What the caller may not know is `null`."""

    id: str | None
    user: str | None
    slot: int
    idle_since: float | None = Field(description="Since when the GPU has not been used")


class Telemetry(ResponseModel):
    """The latest readings of a GPU; `null` for what it does not report."""

    utilization_percent: int | None
    memory_used_mib: int | None
    temperature_c: int | None
    power_w: float | None
    power_limit_w: float | None


class GPU(ResponseModel):
    """A GPU, or a slice of one."""

    uuid: str
    index: int = Field(
        description="The driver's number, which may change; the UUID does not. Of a GPU that is"
        " gone, the number that it had"
    )
    host: str
    model: str
    memory_mib: int
    parent_uuid: str | None
    mig_profile: str | None
    state: Literal["free", "leased", "draining", "quarantined", "lost"]
    reason: Sentence | None = Field(description="Why it is neither free nor just leased")
    in_service: bool = Field(description="It is free or leased, or only being checked")
    reported: bool = Field(description="The driver reports it, as far as is known")
    simulated: bool = Field(description="It has readings, and computes nothing")
    slots: int = Field(description="How many sessions may share it; 1: it is leased as a whole")
    leases: list[Holder]
    telemetry: Telemetry | None
    taken_at: float | None = Field(description="When the telemetry was read")


class GPUList(ResponseModel):
    """All GPUs."""

    gpus: list[GPU]
    taken_at: float | None = Field(description="When they were last read")
    problem: Sentence | None = Field(description="Why they cannot be read, or why there are none")
    runs_on_cpu: bool = Field(description="The lab has no GPU, and servers run on the CPU")


class GPUChange(RequestModel):
    """A change of a GPU: one of the two fields."""

    model_config = ConfigDict(
        json_schema_extra={
            "minProperties": 1,
            "maxProperties": 1,
            "properties": {
                "state": {"type": "string", "enum": ["draining", "active"]},
                "slots": {"type": "integer", "minimum": 1, "maximum": 16},
            },
        }
    )

    state: Literal["draining", "active"] | None = None
    slots: int | None = Field(default=None, ge=1, le=16)

    @model_validator(mode="after")
    def _has_one_field(self) -> GPUChange:
        if len(self.model_fields_set) != 1 or (self.state is None and self.slots is None):
            raise ValueError(Message('Give either "state" or "slots".'))
        return self


class GPUsChange(RequestModel):
    """A change of all GPUs."""

    state: Literal["active"]


class KeptGPU(ResponseModel):
    """A GPU that is not fit to return to service."""

    uuid: str
    reason: Sentence


class ReturnedGPUs(ResponseModel):
    """What became of the GPUs that were quarantined or lost."""

    returned: list[str] = Field(description="The UUIDs of those that are in service again")
    kept: list[KeptGPU] = Field(description="Those that are not fit for it")


@router.add("GET", "gpus", Audience.USER, answer=GPUList)
async def list_gpus(request: APIRequest) -> GPUList:
    """List all GPUs.

    Each has its state, its holders, and its telemetry.

    The holders are shown to administrators and to the leads of their groups, and to all users if
    the lab is configured so.
    """
    users = await readable_users(request)
    backend = request.backend
    reading = backend.inventory.reading()
    gpus = await backend.read(_gpus, None if backend.show_holders else users, reading.simulated)
    return GPUList(
        gpus=gpus,
        taken_at=reading.taken_at,
        problem=_recognized(reading.problem),
        runs_on_cpu=is_without_gpus(reading),
    )


@router.add("PATCH", "gpus", Audience.MANAGER, body=GPUsChange, answer=ReturnedGPUs)
async def return_all_gpus(request: APIRequest) -> ReturnedGPUs:
    """Return all GPUs to service.

    `active` returns all GPUs that are quarantined or lost and fit for service. GPUs that drain
    stay as they are.
    """
    by = request.principal.actor
    returned, kept = await request.backend.write(lambda broker: broker.gpus.return_all(by=by))
    return ReturnedGPUs(
        returned=returned,
        kept=[KeptGPU(uuid=uuid, reason=recognized(reason)) for uuid, reason in kept.items()],
    )


@router.add("PATCH", "gpus/{uuid}", Audience.MANAGER, body=GPUChange, answer=GPU, errors=(409,))
async def change_gpu(request: APIRequest) -> GPU:
    """Drain a GPU, return it to service, or share it.

    `draining` stops new leases of the GPU, `active` returns it to service.

    A GPU that drains stays with its holder. `active` also ends a quarantine, also one that would
    end by itself. `slots` is how many
    sessions may share the GPU; it can be changed only while nobody has the GPU.
    """
    uuid, change, by = request.path["uuid"], request.body, request.principal.actor

    def apply(broker: DeskBroker) -> GPUStatus:
        if change.state is not None:
            return broker.gpus.set_state(uuid, change.state, by=by)
        return broker.gpus.set_slots(uuid, change.slots, by=by)

    status = await _change(request, apply)
    sessions = await request.backend.read(_live_sessions)
    return _gpu(status, sessions, None, request.backend.inventory.reading().simulated)


@router.add("DELETE", "gpus/{uuid}", Audience.MANAGER, errors=(409,))
async def forget_gpu(request: APIRequest) -> None:
    """Forget a GPU that was removed.

    It removes a GPU that is gone for good from the list; its usage is kept.
    """
    uuid, by = request.path["uuid"], request.principal.actor
    await _change(request, lambda broker: broker.gpus.forget(uuid, by=by))


async def _change(request: APIRequest, change: Callable[[DeskBroker], T]) -> T:
    """Apply *change* to the GPU in the path, and return what it returns.

    Raises:
        NotFoundError: there is no such GPU.
        ConflictError: the change is not possible now.
    """
    statuses = await request.backend.read(lambda broker: broker.gpus.all())
    if all(status.gpu.uuid != request.path["uuid"] for status in statuses):
        raise NotFoundError(Message("This lab has no GPU with that UUID."))
    try:
        return await request.backend.write(change)
    except GPUStateError as error:
        raise ConflictError(recognized(message_of(error))) from error


def _recognized(text: str | None) -> str | None:
    """Return a sentence that the hub may have stored, or the agent sent, as the message it was."""
    return None if text is None else recognized(text)


def _gpus(broker: DeskBroker, users: frozenset[str] | None, simulated: frozenset[str]) -> list[GPU]:
    """Return all GPUs, with the names of those holders who are in *users*; ``None``: all."""
    sessions = _live_sessions(broker)
    return [_gpu(status, sessions, users, simulated) for status in broker.gpus.all()]


def _live_sessions(broker: DeskBroker) -> dict[str, Session]:
    return {session.lease.id: session for session in broker.sessions.live()}


def _gpu(
    status: GPUStatus,
    sessions: Mapping[str, Session],
    users: frozenset[str] | None,
    simulated: frozenset[str],
) -> GPU:
    holders = []
    for lease in status.leases:
        shown = users is None or lease.user in users
        session = sessions.get(lease.id)
        holders.append(
            Holder(
                id=lease.id if shown else None,
                user=lease.user if shown else None,
                slot=lease.slot,
                idle_since=session.idle_since if session else None,
            )
        )
    return GPU(
        **asdict(status.gpu),
        state=status.state.value,
        reason=_recognized(status.reason),
        in_service=status.in_service,
        reported=status.reported,
        simulated=status.gpu.uuid in simulated,
        slots=status.slots,
        leases=holders,
        telemetry=None if status.taken_at is None else Telemetry.model_validate(status.telemetry),
        taken_at=status.taken_at,
    )
