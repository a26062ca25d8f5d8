"""The agent's metrics for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client.core import Metric

    from gpudock.agent.sampler import Sample
    from gpudock.model import GPUReading

_MIB = 1024 * 1024
_LABELS = ("uuid", "index", "model", "host")

# Name, help text, and the value of a reading; ``None`` leaves the device out.
_GAUGES: tuple[tuple[str, str, Callable[[GPUReading], float | None]], ...] = (
    (
        "gpudock_gpu_utilization_ratio",
        "Share of the last sample period in which a kernel ran on the GPU, 0 to 1.",
        lambda r: _scaled(r.telemetry.utilization_percent, 0.01),
    ),
    (
        "gpudock_gpu_memory_used_bytes",
        "Memory of the GPU in use.",
        lambda r: _scaled(r.telemetry.memory_used_mib, _MIB),
    ),
    (
        "gpudock_gpu_memory_total_bytes",
        "Memory of the GPU.",
        lambda r: r.gpu.memory_mib * _MIB,
    ),
    (
        "gpudock_gpu_temperature_celsius",
        "Temperature of the GPU.",
        lambda r: r.telemetry.temperature_c,
    ),
    (
        "gpudock_gpu_power_watts",
        "Power that the GPU draws.",
        lambda r: r.telemetry.power_w,
    ),
    (
        "gpudock_gpu_power_limit_watts",
        "Power that the GPU may draw.",
        lambda r: r.telemetry.power_limit_w,
    ),
    (
        "gpudock_gpu_faulty",
        "1 when the GPU has a fault, otherwise 0.",
        lambda r: float(r.fault is not None),
    ),
)


class GPUCollector(Collector):
    """Turns the newest sample into metrics at each scrape."""

    def __init__(self, current: Callable[[], Sample], monotonic: Callable[[], float]) -> None:
        """Make a collector; *current* returns the newest sample."""
        self._current = current
        self._monotonic = monotonic

    def collect(self) -> Iterable[Metric]:
        """Yield all metrics, without the values of a sample with a problem, which are old."""
        sample = self._current()
        problem = GaugeMetricFamily(
            "gpudock_agent_problem", "1 when the agent cannot read the GPUs, otherwise 0."
        )
        problem.add_metric((), float(sample.report.problem is not None))
        yield problem
        unidentified = GaugeMetricFamily(
            "gpudock_agent_unidentified_gpus", "GPUs that the driver counts but does not identify."
        )
        unidentified.add_metric((), len(sample.report.unidentified))
        yield unidentified
        if sample.read_at is not None:
            age = GaugeMetricFamily(
                "gpudock_agent_reading_age_seconds", "Age of the newest reading of the GPUs."
            )
            age.add_metric((), self._monotonic() - sample.read_at)
            yield age
        readings = () if sample.report.problem else sample.report.readings
        for name, text, value_of in _GAUGES:
            family = GaugeMetricFamily(name, text, labels=_LABELS)
            for reading in readings:
                value = value_of(reading)
                if value is not None:
                    gpu = reading.gpu
                    family.add_metric((gpu.uuid, str(gpu.index), gpu.model, gpu.host), value)
            yield family


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
