"""The lab's GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from gpudock.broker import GPUStateError
from gpudock.desk.api.rights import readable
from gpudock.desk.endpoints import Answer, Audience, Call, Catalogue
from gpudock.desk.errors import conflict, missing
from gpudock.desk.schema import DeviceUUID, Shown, Strict
from gpudock.inventory import is_without_gpus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gpudock.broker import DeskBroker, GPUStatus
    from gpudock.policy.sessions import Session

catalogue = Catalogue()


class Holder(Shown):
    """A session that has a GPU, or a slot of it. What whoever asks may not know is `null`."""

    id: str | None
    user: str | None
    slot: int
    idle_since: float | None = Field(description="Since when the GPU has not been used")


class TelemetryShown(Shown):
    """What a GPU last said of itself; `null` for what it does not tell."""

    utilization_percent: int | None
    memory_used_mib: int | None
    temperature_c: int | None
    power_w: float | None
    power_limit_w: float | None


class GPUShown(Shown):
    """A GPU, or a slice of one."""

    uuid: str
    index: int = Field(description="The driver's number, which may change; the UUID does not")
    host: str
    model: str
    memory_mib: int
    parent_uuid: str | None
    mig_profile: str | None
    state: Literal["free", "leased", "draining", "quarantined", "lost"]
    reason: str | None = Field(description="Why it is neither free nor simply leased")
    in_service: bool = Field(description="It is given again by itself, without anybody's act")
    slots: int = Field(description="How many sessions may share it; 1: it is given as a whole")
    leases: list[Holder]
    telemetry: TelemetryShown | None
    taken_at: float | None = Field(description="When the telemetry was read")


class GPUList(Shown):
    """All GPUs."""

    gpus: list[GPUShown]
    taken_at: float | None = Field(description="When they were last read")
    problem: str | None = Field(description="Why they could not be read, or why there are none")
    runs_on_cpu: bool = Field(
        description="The lab is known to have no GPU, and servers run on the CPU"
    )


class GPUChange(Strict):
    """What is to become of a GPU: one of the two."""

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
    def _one_of_both(self) -> GPUChange:
        if len(self.model_fields_set) != 1 or (self.state is None and self.slots is None):
            raise ValueError("Give either «state» or «slots».")
        return self


@catalogue.add("GET", "gpus", "All GPUs", audience=Audience.USER, answer=GPUList)
async def list_gpus(call: Call) -> Answer:
    """Every GPU with its state, who has it, and its telemetry.

    Who has it is told to administrators, to the lead of that user's group, and to everybody where
    the lab is set so.
    """
    names = await readable(call)
    statuses, sessions = await call.office.look(_look)
    reading = call.office.inventory.reading()
    shown = [
        _shown(status, sessions, None if call.office.show_holders else names) for status in statuses
    ]
    return Answer(
        GPUList(
            gpus=shown,
            taken_at=reading.taken_at,
            problem=reading.problem,
            runs_on_cpu=is_without_gpus(reading),
        )
    )


@catalogue.add(
    "PATCH",
    "gpus/{uuid}",
    "Drain a GPU, return it to service, or share it",
    audience=Audience.MANAGER,
    path_types={"uuid": DeviceUUID},
    body=GPUChange,
    answer=GPUShown,
    errors=(409,),
)
async def change_gpu(call: Call) -> Answer:
    """Give it to nobody new (`draining`), return it to service, or set its slots.

    A GPU that is drained stays with whoever has it. `active` returns it to service, after a
    quarantine too. `slots` says how many sessions may share it; that can only be changed while
    nobody has it.
    """
    uuid, change = call.path["uuid"], call.body

    def act(broker: DeskBroker) -> None:
        if change.state is not None:
            broker.gpus.set_state(uuid, change.state, by=call.visitor.actor)
        else:
            broker.gpus.set_slots(uuid, change.slots, by=call.visitor.actor)

    await _known(call, uuid)
    try:
        await call.office.act(act)
    except GPUStateError as refused:
        raise conflict(str(refused)) from refused
    statuses, sessions = await call.office.look(_look)
    status = next((item for item in statuses if item.gpu.uuid == uuid), None)
    if status is None:
        raise missing("The GPU has gone meanwhile.")
    return Answer(_shown(status, sessions, None))


@catalogue.add(
    "DELETE",
    "gpus/{uuid}",
    "Forget a GPU that was removed",
    audience=Audience.MANAGER,
    path_types={"uuid": DeviceUUID},
    status=204,
    media=(),
    errors=(409,),
)
async def forget_gpu(call: Call) -> Answer:
    """Take a GPU that has gone for good out of the list; what it was used for stays known."""
    uuid = call.path["uuid"]
    await _known(call, uuid)
    try:
        await call.office.act(lambda broker: broker.gpus.forget(uuid, by=call.visitor.actor))
    except GPUStateError as refused:
        raise conflict(str(refused)) from refused
    return Answer(status=204)


async def _known(call: Call, uuid: str) -> None:
    statuses = await call.office.look(lambda broker: broker.gpus.all())
    if all(status.gpu.uuid != uuid for status in statuses):
        raise missing("This lab has no GPU with that UUID.")


def _look(broker: DeskBroker) -> tuple[list[GPUStatus], dict[str, Session]]:
    return broker.gpus.all(), {session.lease.id: session for session in broker.sessions.live()}


def _shown(
    status: GPUStatus, sessions: Mapping[str, Session], names: frozenset[str] | None
) -> GPUShown:
    telemetry = status.telemetry
    values: dict[str, Any] = {
        name: getattr(telemetry, name) for name in TelemetryShown.model_fields
    }
    holders = []
    for lease in status.leases:
        known = names is None or lease.user in names
        session = sessions.get(lease.id)
        holders.append(
            Holder(
                id=lease.id if known else None,
                user=lease.user if known else None,
                slot=lease.slot,
                idle_since=session.idle_since if session else None,
            )
        )
    gpu = status.gpu
    return GPUShown(
        uuid=gpu.uuid,
        index=gpu.index,
        host=gpu.host,
        model=gpu.model,
        memory_mib=gpu.memory_mib,
        parent_uuid=gpu.parent_uuid,
        mig_profile=gpu.mig_profile,
        state=status.state.value,
        reason=status.reason,
        in_service=status.in_service,
        slots=status.slots,
        leases=holders,
        telemetry=None if status.taken_at is None else TelemetryShown(**values),
        taken_at=status.taken_at,
    )
