"""Grants GPUs, queues requests, and takes GPUs back; see :mod:`gpudock.broker.broker`."""

from gpudock.broker.broker import Broker, DeskBroker
from gpudock.broker.config import BrokerConfig
from gpudock.broker.errors import (
    BrokerError,
    DelegationError,
    ExtensionError,
    GPUStateError,
    LeaseConflictError,
    QuotaConflictError,
    QuotaTableConflictError,
    RequestDenied,
)
from gpudock.broker.gpus import GPUStatus
from gpudock.broker.preview import (
    DeniedRequest,
    Effect,
    Excess,
    QuotaPreview,
    TableChange,
    TablePreview,
)
from gpudock.broker.queue import QueueEntry
from gpudock.broker.reconcile import Action, RemoveContainer, StopContainer
from gpudock.broker.usage import UsageRow
from gpudock.policy.quota.delegation import Lead, Member
from gpudock.policy.quota.errors import QuotaDocumentError
from gpudock.policy.quota.resolve import EffectiveQuota
from gpudock.policy.sessions import EndCause, Session
from gpudock.store import AuditEntry, AuditFilter, LeaseFilter, QuotaChange, QuotaDocument

__all__ = [
    "Action",
    "AuditEntry",
    "AuditFilter",
    "Broker",
    "BrokerConfig",
    "BrokerError",
    "DelegationError",
    "DeniedRequest",
    "DeskBroker",
    "Effect",
    "EffectiveQuota",
    "EndCause",
    "Excess",
    "ExtensionError",
    "GPUStateError",
    "GPUStatus",
    "Lead",
    "LeaseConflictError",
    "LeaseFilter",
    "Member",
    "QueueEntry",
    "QuotaChange",
    "QuotaConflictError",
    "QuotaDocument",
    "QuotaDocumentError",
    "QuotaPreview",
    "QuotaTableConflictError",
    "RemoveContainer",
    "RequestDenied",
    "Session",
    "StopContainer",
    "TableChange",
    "TablePreview",
    "UsageRow",
]
