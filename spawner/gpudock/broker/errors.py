"""What a broker raises, apart from :class:`gpudock.store.StoreError`.

Every message is for the person who asked, and says why and what to do::

    BrokerError
    ├── RequestDenied
    ├── LeaseConflictError
    ├── GPUStateError
    ├── ExtensionError
    ├── DelegationError
    ├── QuotaConflictError
    └── QuotaTableConflictError

A quota document that makes no sense is a ``QuotaDocumentError`` of
``gpudock.policy.quota.documents``.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from gpudock.language import Message, sentences

if TYPE_CHECKING:
    from gpudock.model import Denial
    from gpudock.store import AuditEntry, QuotaDocument


class BrokerError(Exception):
    """A broker did not do what was asked; nothing was changed."""


class RequestDenied(BrokerError):  # noqa: N818 - an answer, not an error
    """A request was denied, now or while it waited, or withdrawn.

    Attributes:
        denial: why.
    """

    def __init__(self, denial: Denial) -> None:
        super().__init__(denial.message)
        self.denial = denial


class LeaseConflictError(BrokerError):
    """A lease cannot be used for what was asked; no container may be started for it."""


class GPUStateError(BrokerError):
    """The state of a GPU cannot be changed as asked."""


class ExtensionError(BrokerError):
    """A session cannot be extended as asked."""


class DelegationError(BrokerError):
    """The lead of a group may not change a quota in this way."""


class QuotaConflictError(BrokerError):
    """Somebody else changed a quota meanwhile.

    Attributes:
        level, name: whose quota it is.
        stored: the present document; ``None`` when there is none any more.
    """

    def __init__(self, level: str, name: str, stored: QuotaDocument | None) -> None:
        whose = _whose(level, name)
        if stored is None:
            what = Message("{whose} was removed by somebody else meanwhile.", whose=whose)
        else:
            what = Message(
                "{whose} was changed by {by} at {time:%Y-%m-%d %H:%M:%S} UTC.",
                whose=whose,
                by=stored.updated_by,
                time=_utc(stored.updated_at),
            )
        advice = Message("Look at it again, and repeat your change if need be.")
        super().__init__(sentences(what, advice))
        self.level = level
        self.name = name
        self.stored = stored


class QuotaTableConflictError(BrokerError):
    """Somebody changed quotas since a table of them was previewed.

    Attributes:
        latest: the latest change; ``None`` when the audit trail does not have it.
    """

    def __init__(self, latest: AuditEntry | None) -> None:
        if latest is None:
            what = Message("Quotas were changed meanwhile.")
        else:
            what = Message(
                "Quotas were changed meanwhile, the latest ({target}) by {by} at"
                " {time:%Y-%m-%d %H:%M:%S} UTC.",
                target=latest.target,
                by=latest.by,
                time=_utc(latest.at),
            )
        advice = Message("Nothing was imported. Preview the table again.")
        super().__init__(sentences(what, advice))
        self.latest = latest


def _whose(level: str, name: str) -> Message:
    match level:
        case "group":
            return Message('The quota of the group "{name}"', name=name)
        case "user":
            return Message('The quota of the user "{name}"', name=name)
        case _:
            return Message("The default quota")


def _utc(time: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(time, dt.UTC)
