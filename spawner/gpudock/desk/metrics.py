"""What Prometheus reads: GPUs by state, sessions, and the queue."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder

from gpudock.model import GPUState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client.core import Metric

    from gpudock.broker import DeskBroker, GPUStatus, QueueEntry, Session


class Snapshot:
    """The lab at one moment, as metrics. Names of users are not in it."""

    def __init__(
        self,
        gpus: Iterable[GPUStatus],
        sessions: Iterable[Session],
        queue: Iterable[QueueEntry],
        now: float,
    ) -> None:
        """Take the lab."""
        self._gpus = list(gpus)
        self._sessions = list(sessions)
        self._queue = list(queue)
        self._now = now

    @classmethod
    def of(cls, broker: DeskBroker) -> Snapshot:
        """Look at the lab."""
        return cls(broker.gpus.all(), broker.sessions.live(), broker.queue.entries(), time.time())

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, as ``prometheus_client`` wants them."""
        gpus = GaugeMetricFamily(
            "gpudock_gpus", "GPUs by state and model", labels=["state", "model"]
        )
        for model in sorted({status.gpu.model for status in self._gpus}):
            for state in GPUState:
                number = sum(
                    1 for item in self._gpus if (item.gpu.model, item.state) == (model, state)
                )
                gpus.add_metric([state.value, model], number)
        yield gpus
        yield GaugeMetricFamily(
            "gpudock_sessions", "Sessions that have not ended", value=len(self._sessions)
        )
        yield GaugeMetricFamily(
            "gpudock_leased_gpus",
            "GPUs that sessions have; a slot of a shared GPU is its part of one",
            value=sum(session.lease.gpu_share for session in self._sessions),
        )
        yield GaugeMetricFamily(
            "gpudock_idle_sessions",
            "Sessions whose GPUs are not in use",
            value=sum(1 for session in self._sessions if session.idle_since is not None),
        )
        yield GaugeMetricFamily(
            "gpudock_waiting_requests", "Servers that wait for a GPU", value=len(self._queue)
        )
        yield GaugeMetricFamily(
            "gpudock_longest_wait_seconds",
            "For how long the server has waited that has waited longest",
            value=max(
                (max(0.0, self._now - entry.request.created_at) for entry in self._queue),
                default=0.0,
            ),
        )


def encode(snapshot: Snapshot, accept: str) -> tuple[bytes, str]:
    """Return the metrics in the form that is asked for, and its content type."""
    registry = CollectorRegistry()
    registry.register(snapshot)
    encoder, content_type = choose_encoder(accept)
    return encoder(registry), content_type
