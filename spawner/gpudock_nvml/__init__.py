"""The reading of NVML that the agent and the GPU panel share.

:mod:`.client` makes the calls, and is the only module that imports nvidia-ml-py; :mod:`.failures`
says what a failed call means; :mod:`.mig` names MIG slices. The hub's wheel and the panel's wheel
both ship this package, which needs nothing else of either.
"""
