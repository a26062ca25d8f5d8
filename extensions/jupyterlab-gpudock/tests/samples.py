"""Readings that tests begin with."""

from __future__ import annotations

from jupyterlab_gpudock.nvml.readings import GPU, Reading, State

A100 = GPU(
    uuid="GPU-11111111-2222-3333-4444-555555555555",
    index="0",
    name="NVIDIA A100-SXM4-40GB",
    utilization_percent=87,
    memory_used_mib=31_744,
    memory_total_mib=40_960,
    temperature_c=64,
    temperature_slowdown_c=92,
    power_w=283.4,
    power_limit_w=400.0,
    sm_clock_mhz=1410,
    sm_clock_max_mhz=1410,
)
HEALTHY = Reading(State.OK, driver="550.54.15", driver_cuda="12.4", gpus=(A100,))
