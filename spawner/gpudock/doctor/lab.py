"""The running lab: its database, its agent, its GPUs, and whoever waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpudock.doctor.finding import Finding, hint, ok, problem
from gpudock.model import GPUState, LeaseState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gpudock.broker import GPUStatus
    from gpudock.config.settings import Settings
    from gpudock.model import InventoryReading, Lease, Request

# A stop takes seconds; what takes longer, the engine has not proven yet.
_LONG_STOP_SECONDS = 300.0
_OUT_OF_SERVICE = (GPUState.QUARANTINED, GPUState.LOST)


def examine_settings(settings: Settings) -> list[Finding]:
    """Examine settings that work and are unwise."""
    if settings.authenticator == "dummy":
        return [
            problem(
                "sign-in",
                "Anybody can sign in as anybody (GPUDOCK_AUTHENTICATOR is «dummy»).",
                "Set GPUDOCK_AUTHENTICATOR=native, unless nobody else reaches this machine.",
            )
        ]
    return [ok("sign-in", f"The authenticator is «{settings.authenticator}».")]


def examine_one_time_password(*, exists: bool) -> list[Finding]:
    """Examine whether the first administrator still has the password that the lab made."""
    if not exists:
        return []
    return [
        hint(
            "sign-in",
            "The first administrator still has the one-time password, which lies in a file.",
            "Sign in («make password» shows it) and choose one of your own; it ends then.",
        )
    ]


def examine_inventory(reading: InventoryReading, gpus: Iterable[GPUStatus]) -> list[Finding]:
    """Examine whether GPUs are read, and each one that is out of service.

    Args:
        reading: the newest reading.
        gpus: every device as the broker sees it.
    """
    shown = list(gpus)
    if reading.problem is not None and (reading.expects_readings or shown):
        return [
            problem(
                "agent",
                f"The GPUs are not read: {reading.problem} No GPU is granted meanwhile; running"
                " sessions are not touched.",
                "The hub starts the agent by itself; «make logs» says why it cannot. Look at the"
                " container whose name ends in «-agent».",
            )
        ]
    if not shown:
        return [ok("GPUs", "The lab has no GPU; servers run on the CPU.")]
    findings = [
        ok("agent", f"It reads {len(shown)} GPUs; driver {reading.driver_version or 'unknown'}.")
    ]
    bad = [status for status in shown if status.state in _OUT_OF_SERVICE]
    for status in bad:
        name = f"GPU {status.gpu.index} ({status.gpu.model}, {status.gpu.uuid})"
        findings.append(
            problem(
                "GPUs",
                f"{name} is {status.state}. {status.reason or ''}".strip(),
                f"Mend the cause, then «gpudock gpu return {status.gpu.uuid}».",
            )
        )
    draining = [status for status in shown if status.state is GPUState.DRAINING]
    if draining:
        names = ", ".join(str(status.gpu.index) for status in draining)
        findings.append(
            hint(
                "GPUs",
                f"Drained by an administrator, and given to nobody new: GPU {names}.",
                "«gpudock gpu return UUID» brings each back to service.",
            )
        )
    if not bad and not draining:
        findings.append(ok("GPUs", "All are in service."))
    return findings


def examine_work(
    leases: Sequence[Lease], waiting: Sequence[Request], gpus: Iterable[GPUStatus], now: float
) -> list[Finding]:
    """Examine whether leases end and whether those who wait are served.

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
            f" ({lease.end_reason}). Its GPUs stay taken until the engine proves its end.",
            "If this stays, remove its container with «docker rm --force».",
        )
        for lease in leases
        if lease.state is LeaseState.STOPPING and now - lease.granted_at > _LONG_STOP_SECONDS
    ]
    free = sum(status.state is GPUState.FREE for status in gpus)
    if waiting and free:
        findings.append(
            hint(
                "queue",
                f"{len(waiting)} requests wait although {free} GPUs are free: their limits, the"
                " model, or the number of GPUs may not fit.",
                "«gpudock queue» shows the reason of each.",
            )
        )
    else:
        findings.append(ok("queue", f"{len(leases)} sessions, {len(waiting)} waiting requests."))
    return findings
