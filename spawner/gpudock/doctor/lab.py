"""Checks of the running lab: its settings, agent, GPUs, leases and queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpudock.doctor.devices import Device, compare_devices
from gpudock.doctor.finding import Finding, hint, ok, problem
from gpudock.model import GPUState, LeaseState
from gpudock.policy.durations import duration_in_words
from gpudock.policy.gpu_health import without_slices

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gpudock.broker import GPUStatus
    from gpudock.config.settings import Settings
    from gpudock.model import GPU, InventoryReading, Lease, Request

# A stop takes seconds; after this time the engine probably cannot prove it.
_SLOW_STOP_SECONDS = 300.0
_LONG_IDLE_SECONDS = 3600.0
_OUT_OF_SERVICE = (GPUState.QUARANTINED, GPUState.LOST)


def examine_settings(settings: Settings) -> list[Finding]:
    """Check for settings that are valid but risky."""
    if settings.authenticator == "dummy":
        return [
            problem(
                "sign-in",
                'Anybody can sign in as anybody (GPUDOCK_AUTHENTICATOR is "dummy").',
                "Set GPUDOCK_AUTHENTICATOR=native, unless nobody else can reach this machine.",
            )
        ]
    return [ok("sign-in", f'The authenticator is "{settings.authenticator}".')]


def examine_one_time_password(*, exists: bool) -> list[Finding]:
    """Check whether the first administrator still has the one-time password."""
    if not exists:
        return []
    return [
        hint(
            "sign-in",
            "The first administrator still has the one-time password, which is in a file.",
            'Sign in with it ("make password" shows it) and choose your own.',
        )
    ]


def examine_inventory(reading: InventoryReading, gpus: Iterable[GPUStatus]) -> list[Finding]:
    """Check that the GPUs are read and in service.

    Args:
        reading: the latest reading.
        gpus: every device as the broker sees it.
    """
    shown = list(gpus)
    if reading.problem is not None and (reading.expects_readings or shown):
        return [
            problem(
                "agent",
                f"The GPUs cannot be read: {reading.problem} Until then no GPU is granted; running"
                " sessions continue.",
                'The hub starts the agent; "make logs" shows why it cannot. Check the container'
                ' whose name ends in "-agent".',
            )
        ]
    if not shown:
        return [ok("GPUs", "The lab has no GPU; servers run on the CPU.")]
    findings = [
        ok("agent", f"It reads {len(shown)} GPUs; driver {reading.driver_version or 'unknown'}.")
    ]
    bad = [status for status in shown if status.state in _OUT_OF_SERVICE]
    findings += [_out_of_service(status) for status in bad]
    draining = [status for status in shown if status.state is GPUState.DRAINING]
    if draining:
        names = ", ".join(str(status.gpu.index) for status in draining)
        findings.append(
            hint(
                "GPUs",
                f"Drained by an administrator, without new leases: GPU {names}.",
                'Return each to service with "gpudock gpu return UUID".',
            )
        )
    if not bad and not draining:
        findings.append(ok("GPUs", "All are in service."))
    return findings


def examine_devices(
    listed: Iterable[str] | None, reading: InventoryReading, gpus: Iterable[GPUStatus]
) -> list[Finding]:
    """Compare the engine's CDI specification, the driver and the lab, device by device.

    Args:
        listed: the names in the specification; ``None`` when it is not used, or not known.
        reading: the latest reading of the driver. When it failed, nothing is compared.
        gpus: every device as the broker sees it.
    """
    if reading.problem is not None or not reading.readings:
        return []
    driver = [
        _device(item.gpu, fit=item.fault is None and not item.lost) for item in reading.readings
    ]
    return compare_devices(listed, driver, [_device(status.gpu) for status in gpus])


def _device(gpu: GPU, *, fit: bool = True) -> Device:
    return Device(gpu.uuid, f"GPU {gpu.index} ({gpu.model})", gpu.parent_uuid, fit)


def _out_of_service(status: GPUStatus) -> Finding:
    gpu = status.gpu
    details = f"({gpu.model}, {gpu.uuid})"
    if not status.reported and not status.leases:
        return problem(
            "GPUs",
            f"A GPU {details} is gone. {status.reason or ''}".strip(),
            f'If it was taken out, run "gpudock gpu forget {gpu.uuid}"; otherwise look for the'
            ' cause with "dmesg | grep -i -e nvrm -e xid".',
        )
    text = f"GPU {gpu.index} {details} is {status.state}. {status.reason or ''}".strip()
    if status.reason == without_slices(gpu):
        return problem("GPUs", text, "Then it is in service by itself.")
    return problem("GPUs", text, f'Fix the cause, then run "gpudock gpu return {gpu.uuid}".')


def examine_work(
    leases: Sequence[Lease], waiting: Sequence[Request], gpus: Iterable[GPUStatus], now: float
) -> list[Finding]:
    """Check that leases end and that waiting requests are served.

    Args:
        leases: the live leases.
        waiting: the queue.
        gpus: every device as the broker sees it.
        now: Unix time.
    """
    findings = [
        hint(
            "leases",
            f"The session of {lease.user} ({lease.id}) is still being stopped"
            f" ({lease.end_reason}). Its GPUs stay leased until the engine proves its end.",
            'If this persists, remove its container with "docker rm --force".',
        )
        for lease in leases
        if lease.state is LeaseState.STOPPING and now - lease.granted_at > _SLOW_STOP_SECONDS
    ]
    idle = {
        lease.user: now - max(lease.active_at, lease.granted_at)
        for lease in leases
        if lease.state is LeaseState.ACTIVE and lease.gpu_uuids and lease.active_at is not None
    }
    long_idle = {user: seconds for user, seconds in idle.items() if seconds > _LONG_IDLE_SECONDS}
    if long_idle:
        shown = ", ".join(f"{user} ({duration_in_words(s)})" for user, s in long_idle.items())
        findings.append(
            hint(
                "sessions",
                f"The GPUs of these users have been idle for more than an hour: {shown}.",
                "Ask them to stop their servers. The limit idle_minutes ends such sessions by"
                " itself.",
            )
        )
    free = sum(status.state is GPUState.FREE for status in gpus)
    if waiting and free:
        findings.append(
            hint(
                "queue",
                f"{len(waiting)} requests are waiting although {free} GPUs are free: limits, model"
                " or number of GPUs may not allow a start.",
                '"gpudock queue" shows the reason for each.',
            )
        )
    else:
        findings.append(ok("queue", f"{len(leases)} sessions, {len(waiting)} waiting requests."))
    return findings
