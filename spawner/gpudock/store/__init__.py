"""gpudock's own database: devices, requests, leases, quotas and the audit trail."""

from gpudock.store.audit import BY_LEAD, AuditEntry, AuditFilter
from gpudock.store.errors import (
    QuotaRevisionError,
    StoreConflictError,
    StoreError,
    StoreInterruptedError,
    StoreUnusableError,
)
from gpudock.store.leases import shifted
from gpudock.store.quotas import QuotaChange, QuotaDocument, plain
from gpudock.store.requests import QueuedRequest, RequestState
from gpudock.store.store import Store
from gpudock.store.transaction import Transaction
from gpudock.store.usage import PastUse

__all__ = [
    "BY_LEAD",
    "AuditEntry",
    "AuditFilter",
    "PastUse",
    "QueuedRequest",
    "QuotaChange",
    "QuotaDocument",
    "QuotaRevisionError",
    "RequestState",
    "Store",
    "StoreConflictError",
    "StoreError",
    "StoreInterruptedError",
    "StoreUnusableError",
    "Transaction",
    "plain",
    "shifted",
]
