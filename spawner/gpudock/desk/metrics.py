"""The metrics for Prometheus: GPUs by state, sessions, and the queue."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder

from gpudock.model import GPUState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client.core import Metric

    from gpudock.broker import DeskBroker, GPUStatus, QueueEntry, Session


@dataclass(frozen=True, eq=False)  # a registry hashes it
class Snapshot:
    """The state of the lab as metrics, without names of users."""

    gpus: Sequence[GPUStatus]
    sessions: Sequence[Session]
    queue: Sequence[QueueEntry]
    now: float

    @classmethod
    def of(cls, broker: DeskBroker) -> Snapshot:
        """Read the present state."""
        return cls(broker.gpus.all(), broker.sessions.live(), broker.queue.entries(), time.time())

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; ``prometheus_client`` calls this."""
        gpus = GaugeMetricFamily(
            "gpudock_gpus", "GPUs by state and model", labels=["state", "model"]
        )
        for model in sorted({status.gpu.model for status in self.gpus}):
            for state in GPUState:
                number = sum(
                    1 for item in self.gpus if (item.gpu.model, item.state) == (model, state)
                )
                gpus.add_metric([state.value, model], number)
        yield gpus
        yield GaugeMetricFamily(
            "gpudock_sessions", "Sessions that have not ended", value=len(self.sessions)
        )
        yield GaugeMetricFamily(
            "gpudock_leased_gpus",
            "GPUs held by sessions; a slot of a shared GPU counts as its part of one",
            value=sum(session.lease.gpu_share for session in self.sessions),
        )
        yield GaugeMetricFamily(
            "gpudock_idle_sessions",
            "Sessions whose GPUs are not in use",
            value=sum(1 for session in self.sessions if session.idle_since is not None),
        )
        yield GaugeMetricFamily(
            "gpudock_waiting_requests", "Servers that wait for a GPU", value=len(self.queue)
        )
        yield GaugeMetricFamily(
            "gpudock_longest_wait_seconds",
            "Longest time that a waiting server has waited so far",
            value=max(
                (max(0.0, self.now - entry.request.created_at) for entry in self.queue),
                default=0.0,
            ),
        )


def encode(snapshot: Snapshot, accept: str) -> tuple[bytes, str]:
    """Return the metrics in the format that *accept* asks for, and its content type."""
    registry = CollectorRegistry()
    registry.register(snapshot)
    encoder, content_type = choose_encoder(accept)
    return encoder(registry), content_type
