"""The thread that reads the GPUs, and its newest sample for the HTTP side."""

from __future__ import annotations

import dataclasses
import logging
import secrets
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from gpudock.agent.report import Report
from gpudock.language import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpudock_nvml.values import Pending

log = logging.getLogger(__name__)


class Source(Protocol):
    """What the sampler needs from a reader."""

    def read(self) -> Report:
        """Read all devices once."""

    def close(self) -> None:
        """Release the driver's library."""

    def pending(self) -> Pending | None:
        """Return the NVML call in progress. Called from another thread."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The newest report.

    Attributes:
        report: the report.
        cursor: differs between any two samples that differ, also across restarts.
        read_at: monotonic time of the reading, seconds; ``None`` before the first.
        stuck: an NVML call does not return; the report says since when.
    """

    report: Report
    cursor: str
    read_at: float | None = None
    stuck: bool = False


class Sampler:
    """Reads in a thread of its own, once per interval; :meth:`current` never blocks."""

    def __init__(
        self,
        source: Source,
        host: str,
        *,
        interval: float = 1.0,
        stuck_after: float = 10.0,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a sampler; nothing is read before :meth:`start`.

        Args:
            source: the reader.
            host: name of the host, for display.
            interval: seconds from the start of one round to the start of the next.
            stuck_after: seconds after which an NVML call counts as hanging.
            clock: Unix time.
            monotonic: the clock that :class:`Pending` is measured with.
        """
        self._source = source
        self._interval = interval
        self._stuck_after = stuck_after
        self._clock = clock
        self._monotonic = monotonic
        self.boot = secrets.token_hex(8)
        self._number = 0
        self._sample = Sample(
            Report(
                host, problem=Message("The agent has just started and has not read the GPUs yet.")
            ),
            f"{self.boot}.0",
        )
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self._started_at = monotonic()
        self._on_sample: Callable[[], None] = lambda: None

    @property
    def interval(self) -> float:
        """Seconds from the start of one round to the start of the next."""
        return self._interval

    def start(self, on_sample: Callable[[], None]) -> None:
        """Start to read. *on_sample* is called after each round, in the reading thread."""
        self._on_sample = on_sample
        # A daemon: an NVML call that never returns must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="gpudock-nvml", daemon=True)
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """End the thread, which closes the library. ``False`` if it hangs for *timeout* seconds."""
        self._end.set()
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def current(self) -> Sample:
        """Return the newest sample, or that sample with a problem when the driver hangs."""
        sample = self._sample
        pending = self._source.pending()
        if pending is None:
            return sample
        waited = self._monotonic() - pending.since
        if waited < self._stuck_after:
            return sample
        since = datetime.fromtimestamp(self._clock() - waited, tz=UTC)
        problem = Message(
            "The NVIDIA driver has not answered a call ({call}) since {since:%Y-%m-%d %H:%M:%S}"
            ' UTC, so no GPU can be read. Look for "Xid" in `dmesg` on the host; if the call does'
            " not return, reboot the host.",
            call=pending.name,
            since=since,
        )
        return dataclasses.replace(
            sample,
            report=dataclasses.replace(sample.report, problem=problem),
            cursor=f"{sample.cursor}.stuck",
            stuck=True,
        )

    def silence(self) -> float:
        """Return the seconds since the last reading, or since the start if there was none."""
        read_at = self._sample.read_at
        return self._monotonic() - (self._started_at if read_at is None else read_at)

    def _run(self) -> None:
        try:
            while not self._end.is_set():
                started = self._monotonic()
                self._round(started)
                self._end.wait(max(0.0, started + self._interval - self._monotonic()))
        finally:
            self._source.close()

    def _round(self, started: float) -> None:
        before = self._sample
        try:
            report = self._source.read()
        except Exception:
            log.exception("reading the GPUs failed")
            report = dataclasses.replace(
                before.report,
                problem=Message(
                    "The agent failed while it read the GPUs, which is a bug in the agent. Its "
                    "log says more; please report it."
                ),
            )
        self._number += 1
        fresh = report.problem is None
        self._sample = Sample(
            report, f"{self.boot}.{self._number}", started if fresh else before.read_at
        )
        _log_changes(before.report, report)
        self._on_sample()


def _log_changes(before: Report, now: Report) -> None:
    """Log what changed on the devices, once per change."""
    if now.problem != before.problem:
        if now.problem is None:
            log.info(
                "reading %d devices, driver %s, CUDA %s",
                len(now.readings),
                now.driver_version,
                now.cuda_version,
            )
        else:
            log.warning("%s", now.problem)
    faults = {reading.gpu.uuid: reading.fault for reading in before.readings}
    for reading in now.readings:
        if reading.fault is not None and reading.fault != faults.get(reading.gpu.uuid):
            log.warning("%s (number %d): %s", reading.gpu.uuid, reading.gpu.index, reading.fault)
        elif reading.fault is None and faults.get(reading.gpu.uuid) is not None:
            log.info("%s (number %d) answers again", reading.gpu.uuid, reading.gpu.index)
    for sentence in set(now.unidentified) - set(before.unidentified):
        log.warning("%s", sentence)
