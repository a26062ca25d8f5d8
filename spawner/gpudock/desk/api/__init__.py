"""The operations of the REST API, one module for each kind of thing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpudock.desk.api import audit, gpus, leases, queue, quotas, tables, usage

if TYPE_CHECKING:
    from gpudock.desk.endpoints import Operation

OPERATIONS: tuple[Operation, ...] = tuple(
    operation
    for part in (gpus, leases, queue, quotas, tables, usage, audit)
    for operation in part.catalogue.operations
)
"""Everything that can be asked."""

__all__ = ["OPERATIONS"]
