"""The lab's GPUs and their readings, behind one protocol.

:class:`AgentInventory` follows an agent, :class:`StaticInventory` has a fixed list of GPUs, and
:class:`NoInventory` is for a lab without GPUs. None of them touches the driver, the store or
Docker.
"""

from gpudock.inventory.agent import AgentInventory
from gpudock.inventory.base import Inventory, NoInventory, StaticInventory, is_without_gpus

__all__ = ["AgentInventory", "Inventory", "NoInventory", "StaticInventory", "is_without_gpus"]
