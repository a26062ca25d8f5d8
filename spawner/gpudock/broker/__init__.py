"""Grants GPUs, queues requests, and takes GPUs back; see :mod:`gpudock.broker.broker`."""

from gpudock.broker.broker import Broker
from gpudock.broker.errors import (
    Denied,
    ExtensionRefused,
    GPURefused,
    LeadRefused,
    LeaseConflict,
    QuotaConflict,
    QuotaTableConflict,
)
from gpudock.broker.gpus import GPUStatus
from gpudock.broker.preview import (
    Effect,
    Excess,
    QuotaPreview,
    Refusal,
    TableChange,
    TablePreview,
)
from gpudock.broker.reconcile import Action, RemoveContainer, StopContainer
from gpudock.broker.sessions import QueueEntry
from gpudock.broker.usage import UsageRow
from gpudock.policy.quota.delegation import Lead, Member
from gpudock.policy.quota.documents import QuotaDocumentError
from gpudock.policy.quota.resolve import EffectiveQuota
from gpudock.policy.sessions import EndCause, Session
from gpudock.store import AuditEntry, AuditFilter, QuotaChange, QuotaDocument

__all__ = [
    "Action",
    "AuditEntry",
    "AuditFilter",
    "Broker",
    "Denied",
    "Effect",
    "EffectiveQuota",
    "EndCause",
    "Excess",
    "ExtensionRefused",
    "GPURefused",
    "GPUStatus",
    "Lead",
    "LeadRefused",
    "LeaseConflict",
    "Member",
    "QueueEntry",
    "QuotaChange",
    "QuotaConflict",
    "QuotaDocument",
    "QuotaDocumentError",
    "QuotaPreview",
    "QuotaTableConflict",
    "Refusal",
    "RemoveContainer",
    "Session",
    "StopContainer",
    "TableChange",
    "TablePreview",
    "UsageRow",
]
