"""gpudock's own database: devices, requests, leases, quotas and the audit trail."""

from gpudock.store.accounts import Deactivation
from gpudock.store.audit import BY_LEAD, AuditEntry, AuditFilter
from gpudock.store.errors import (
    EpochHeldError,
    EpochLostError,
    QuotaRevisionError,
    StoreConflictError,
    StoreError,
    StoreInterruptedError,
    StoreUnusableError,
    WrongLabError,
)
from gpudock.store.lab import REMEDY, LabRecord, check_record
from gpudock.store.leases import LeaseFilter, shifted
from gpudock.store.quotas import QuotaChange, QuotaDocument, plain
from gpudock.store.requests import QueuedRequest, RequestState
from gpudock.store.store import Store
from gpudock.store.transaction import Transaction
from gpudock.store.usage import PastUse

__all__ = [
    "BY_LEAD",
    "REMEDY",
    "AuditEntry",
    "AuditFilter",
    "Deactivation",
    "EpochHeldError",
    "EpochLostError",
    "LabRecord",
    "LeaseFilter",
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
    "WrongLabError",
    "check_record",
    "plain",
    "shifted",
]
