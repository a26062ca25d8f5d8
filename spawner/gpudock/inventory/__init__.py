"""The lab's GPUs and their readings, behind one protocol.

:class:`AgentInventory` follows an agent, :class:`StaticInventory` has a fixed list of GPUs,
:class:`NoInventory` is for a lab without GPUs and :class:`UnknownInventory` for one that is not
known yet. None of them touches the driver, the store or
Docker.
"""

from gpudock.inventory.agent import AgentInventory
from gpudock.inventory.base import (
    Inventory,
    NoInventory,
    StaticInventory,
    UnknownInventory,
    is_without_gpus,
)

__all__ = [
    "AgentInventory",
    "Inventory",
    "NoInventory",
    "StaticInventory",
    "UnknownInventory",
    "is_without_gpus",
]
