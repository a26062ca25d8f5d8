"""gpudock's own database: devices, requests, leases, quotas and the audit trail."""

from gpudock.store.errors import StoreConflict, StoreError
from gpudock.store.store import Store
from gpudock.store.transaction import QueuedRequest, RequestState, Transaction

__all__ = [
    "QueuedRequest",
    "RequestState",
    "Store",
    "StoreConflict",
    "StoreError",
    "Transaction",
]
