"""The reading of NVML that the agent and the GPU panel share.

:mod:`.client` makes the calls, and is the only module that imports nvidia-ml-py; :mod:`.failures`
knows what a failed call means, :mod:`.mig` the names of MIG slices, :mod:`.pids` whether NVML's
PIDs are those of this process, and :mod:`.simulated` whether the GPUs are simulated. The hub's
wheel and the panel's wheel both ship this package, which needs nothing else of either.
"""
