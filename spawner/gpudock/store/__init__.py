"""gpudock's own database: devices, requests, leases, quotas and the audit trail."""

from gpudock.store.errors import StoreConflict, StoreError
from gpudock.store.quotas import (
    AuditEntry,
    AuditFilter,
    QuotaChange,
    QuotaDocument,
    QuotaMoved,
    plain,
)
from gpudock.store.requests import QueuedRequest, RequestState
from gpudock.store.store import Store
from gpudock.store.transaction import Transaction
from gpudock.store.usage import DayUse, PastUse

__all__ = [
    "AuditEntry",
    "AuditFilter",
    "DayUse",
    "PastUse",
    "QueuedRequest",
    "QuotaChange",
    "QuotaDocument",
    "QuotaMoved",
    "RequestState",
    "Store",
    "StoreConflict",
    "StoreError",
    "Transaction",
    "plain",
]
