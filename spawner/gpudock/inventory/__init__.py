"""Which GPUs there are and how they fare, behind one protocol.

:class:`AgentInventory` listens to an agent, :class:`StaticInventory` repeats a list that an
administrator wrote, and :class:`NoInventory` stands for a lab without GPUs. None of them touches
the driver, the store or Docker.
"""

from gpudock.inventory.agent import AgentInventory
from gpudock.inventory.base import Inventory, NoInventory, StaticInventory, is_without_gpus

__all__ = ["AgentInventory", "Inventory", "NoInventory", "StaticInventory", "is_without_gpus"]
