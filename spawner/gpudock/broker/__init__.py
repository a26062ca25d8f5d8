"""Grants GPUs, queues requests, and takes GPUs back; see :mod:`gpudock.broker.broker`."""

from gpudock.broker.broker import Broker
from gpudock.broker.errors import Denied, GPURefused, LeaseConflict
from gpudock.broker.office import GPUStatus
from gpudock.broker.reconcile import Action, RemoveContainer, StopContainer

__all__ = [
    "Action",
    "Broker",
    "Denied",
    "GPURefused",
    "GPUStatus",
    "LeaseConflict",
    "RemoveContainer",
    "StopContainer",
]
