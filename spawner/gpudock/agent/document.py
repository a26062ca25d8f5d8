"""The inventory document, which the agent sends to the hub as JSON.

Version 1 is an object with

- ``version``: 1; what is added later leaves the meaning of the rest as it is;
- ``cursor``: opaque; a request with ``?after=<cursor>`` waits until there is something newer;
- ``boot``: opaque; changes when the agent restarts, and ``clock`` with it;
- ``clock``: the agent's monotonic clock when the document was sent, seconds;
- ``age``: seconds between the reading and the sending, ``null`` before the first reading;
- ``taken_at``: Unix time of the reading by the agent's clock, for people;
- ``host``, ``driver_version``, ``cuda_version``, ``problem``, ``unidentified``: see
  :class:`gpudock.agent.report.Report`;
- ``links``: objects with the fields of :class:`gpudock.model.Link`, ``kind`` as its name in lower
  case; an agent that does not read links leaves the field out;
- ``devices``: objects with the fields of :class:`gpudock.model.GPU` (but ``host``), those of
  :class:`gpudock.model.GPUReading`, ``mig_enabled``, and ``telemetry`` with the fields of
  :class:`gpudock.model.Telemetry`. Agents of the first releases leave out ``fault_may_pass``,
  ``minor``, ``mig_number`` and ``simulated``, and ``computes`` of a process.

A decoder trusts nothing: it rejects a document as a whole when one place is wrong.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from gpudock.agent.report import Report
from gpudock.model import (
    GPU,
    MAX_GPUS,
    GPUProcess,
    GPUReading,
    Link,
    LinkKind,
    Telemetry,
    is_gpu_uuid,
)

VERSION = 1
MAX_BYTES = 4 * 1024 * 1024
_MAX_LINKS = 10_000
_MAX_PROCESSES = 10_000
_MAX_TEXT = 1000


class DocumentError(ValueError):
    """A document is malformed; the message says where."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A report as it is sent; the module describes the fields."""

    report: Report
    cursor: str
    boot: str
    clock: float
    age: float | None


def encode(envelope: Envelope) -> bytes:
    """Return the document."""
    report = envelope.report
    return json.dumps(
        {
            "version": VERSION,
            "cursor": envelope.cursor,
            "boot": envelope.boot,
            "clock": envelope.clock,
            "age": envelope.age,
            "taken_at": report.taken_at,
            "host": _printable(report.host),
            "driver_version": _printable(report.driver_version),
            "cuda_version": _printable(report.cuda_version),
            "problem": _printable(report.problem),
            "unidentified": [_printable(sentence) for sentence in report.unidentified],
            "links": [
                {
                    "one": link.one,
                    "other": link.other,
                    "kind": link.kind.name.lower(),
                    "lanes": link.lanes,
                }
                for link in report.links[:_MAX_LINKS]
            ],
            "devices": [
                {
                    "uuid": reading.gpu.uuid,
                    "index": reading.gpu.index,
                    "model": _printable(reading.gpu.model),
                    "memory_mib": reading.gpu.memory_mib,
                    "parent_uuid": reading.gpu.parent_uuid,
                    "mig_profile": _printable(reading.gpu.mig_profile),
                    "mig_enabled": reading.gpu.uuid in report.mig_enabled,
                    "fault": _printable(reading.fault),
                    "lost": reading.lost,
                    "fault_may_pass": reading.fault_may_pass,
                    "minor": reading.minor,
                    "mig_number": reading.mig_number,
                    "simulated": reading.simulated,
                    "telemetry": _telemetry(reading.telemetry),
                }
                for reading in report.readings
            ],
        },
        allow_nan=False,
        separators=(",", ":"),
    ).encode()


def decode(body: bytes) -> Envelope:
    """Parse a document.

    Raises:
        DocumentError: it is not JSON, has another version, or is wrong in any place.
    """
    try:
        tree = json.loads(body, parse_constant=_reject_constant)
    except (ValueError, RecursionError) as error:
        raise DocumentError("it is no JSON") from error
    fields = _Fields(tree, "document")
    if fields.integer("version") != VERSION:
        raise DocumentError(f"its version is not {VERSION}")
    host = fields.text("host")
    items = fields.array("devices", MAX_GPUS)
    readings: list[GPUReading] = []
    mig_enabled: set[str] = set()
    for number, item in enumerate(items):
        device = _Fields(item, f"devices[{number}]")
        readings.append(_reading(device, host))
        if device.boolean("mig_enabled"):
            mig_enabled.add(readings[-1].gpu.uuid)
    uuids = [reading.gpu.uuid.lower() for reading in readings]
    if len(set(uuids)) != len(uuids):
        raise DocumentError("two devices have the same UUID")
    age = fields.optional_number("age")
    taken_at = fields.optional_number("taken_at")
    if (age is None) != (taken_at is None) or (taken_at is None and readings):
        raise DocumentError("the time of its reading is missing")
    return Envelope(
        report=Report(
            host=host,
            taken_at=taken_at,
            readings=tuple(readings),
            mig_enabled=frozenset(mig_enabled),
            driver_version=fields.optional_text("driver_version"),
            cuda_version=fields.optional_text("cuda_version"),
            problem=fields.optional_text("problem"),
            unidentified=tuple(
                _text(item, "unidentified") for item in fields.array("unidentified", MAX_GPUS)
            ),
            links=_links(fields),
        ),
        cursor=fields.text("cursor"),
        boot=fields.text("boot"),
        clock=fields.number("clock"),
        age=age,
    )


def _printable(text: str | None) -> str | None:
    """Make text fit for the document: names come from the driver and from processes."""
    if text is None:
        return None
    return "".join(c if c.isprintable() else "\ufffd" for c in text)[:_MAX_TEXT]


def _telemetry(telemetry: Telemetry) -> dict[str, Any]:
    fields = asdict(telemetry)
    if telemetry.processes is not None:
        fields["processes"] = [
            {
                "pid": p.pid,
                "memory_mib": p.memory_mib,
                "name": _printable(p.name),
                "computes": p.computes,
            }
            for p in telemetry.processes[:_MAX_PROCESSES]
        ]
    return fields


def _reading(fields: _Fields, host: str) -> GPUReading:
    parent = fields.optional_text("parent_uuid")
    gpu = GPU(
        uuid=fields.text("uuid"),
        index=fields.integer("index"),
        host=host,
        model=fields.text("model"),
        memory_mib=fields.integer("memory_mib"),
        parent_uuid=parent,
        mig_profile=fields.optional_text("mig_profile"),
    )
    if not is_gpu_uuid(gpu.uuid) or (parent is not None and not is_gpu_uuid(parent)):
        raise DocumentError(f"{fields.where} has no valid UUID")
    if gpu.uuid == parent or gpu.uuid.upper().startswith("MIG") != (parent is not None):
        raise DocumentError(f"{fields.where} has the wrong parent")
    values = _Fields(fields.get("telemetry"), f"{fields.where}.telemetry")
    percent = values.optional_integer("utilization_percent")
    if percent is not None and percent > 100:
        raise DocumentError(f"{values.where}.utilization_percent is above 100")
    processes = None
    if values.get("processes") is not None:
        processes = tuple(
            _process(_Fields(item, f"{values.where}.processes[{number}]"))
            for number, item in enumerate(values.array("processes", _MAX_PROCESSES))
        )
    return GPUReading(
        gpu=gpu,
        telemetry=Telemetry(
            utilization_percent=percent,
            memory_used_mib=values.optional_integer("memory_used_mib"),
            temperature_c=values.optional_integer("temperature_c"),
            power_w=values.optional_number("power_w"),
            power_limit_w=values.optional_number("power_limit_w"),
            processes=processes,
        ),
        fault=fields.optional_text("fault"),
        lost=fields.boolean("lost"),
        fault_may_pass=fields.has("fault_may_pass") and fields.boolean("fault_may_pass"),
        minor=fields.optional_integer("minor") if fields.has("minor") else None,
        mig_number=fields.optional_integer("mig_number") if fields.has("mig_number") else None,
        simulated=fields.has("simulated") and fields.boolean("simulated"),
    )


def _links(document: _Fields) -> tuple[Link, ...]:
    if not document.has("links"):
        return ()
    links = []
    for number, item in enumerate(document.array("links", _MAX_LINKS)):
        fields = _Fields(item, f"links[{number}]")
        one, other, kind = fields.text("one"), fields.text("other"), fields.text("kind")
        if not (is_gpu_uuid(one) and is_gpu_uuid(other) and one < other):
            raise DocumentError(f"{fields.where} does not connect two GPUs")
        if kind.upper() not in LinkKind.__members__:
            raise DocumentError(f"{fields.where}.kind is not known")
        links.append(Link(one, other, LinkKind[kind.upper()], fields.integer("lanes")))
    return tuple(links)


def _process(fields: _Fields) -> GPUProcess:
    return GPUProcess(
        pid=fields.integer("pid"),
        memory_mib=fields.optional_integer("memory_mib"),
        name=fields.optional_text("name"),
        computes=not fields.has("computes") or fields.boolean("computes"),
    )


def _reject_constant(name: str) -> None:
    raise DocumentError(f"it has the number {name}")


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT or not value.isprintable():
        raise DocumentError(f"{where} is no short printable text")
    return value


class _Fields:
    """An object of the document, with typed access to its fields."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise DocumentError(f"{where} is no object")
        self._value = value
        self.where = where

    def has(self, name: str) -> bool:
        return name in self._value

    def get(self, name: str) -> Any:
        if name not in self._value:
            raise DocumentError(f"{self.where}.{name} is missing")
        return self._value[name]

    def text(self, name: str) -> str:
        return _text(self.get(name), f"{self.where}.{name}")

    def optional_text(self, name: str) -> str | None:
        return None if self.get(name) is None else self.text(name)

    def boolean(self, name: str) -> bool:
        value = self.get(name)
        if not isinstance(value, bool):
            raise DocumentError(f"{self.where}.{name} is neither true nor false")
        return value

    def integer(self, name: str) -> int:
        value = self.get(name)
        if type(value) is not int or not 0 <= value < 2**53:
            raise DocumentError(f"{self.where}.{name} is no whole number from 0")
        return value

    def optional_integer(self, name: str) -> int | None:
        return None if self.get(name) is None else self.integer(name)

    def number(self, name: str) -> float:
        value = self.get(name)
        if type(value) not in (int, float) or not 0 <= value < 2**53 or not math.isfinite(value):
            raise DocumentError(f"{self.where}.{name} is no number from 0")
        return float(value)

    def optional_number(self, name: str) -> float | None:
        return None if self.get(name) is None else self.number(name)

    def array(self, name: str, max_length: int) -> list[Any]:
        value = self.get(name)
        if not isinstance(value, list) or len(value) > max_length:
            raise DocumentError(f"{self.where}.{name} is no array of at most {max_length}")
        return value
