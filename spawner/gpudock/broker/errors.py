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
        whose = f'The quota of the {level} "{name}"' if name else "The default quota"
        if stored is None:
            what = "was removed by somebody else meanwhile"
        else:
            what = f"was changed by {stored.updated_by} at {_format(stored.updated_at)}"
        super().__init__(f"{whose} {what}. Look at it again, and repeat your change if need be.")
        self.level = level
        self.name = name
        self.stored = stored


class QuotaTableConflictError(BrokerError):
    """Somebody changed quotas since a table of them was previewed.

    Attributes:
        latest: the latest change; ``None`` when the audit trail does not have it.
    """

    def __init__(self, latest: AuditEntry | None) -> None:
        what = "Quotas were changed meanwhile"
        if latest is not None:
            what += f", the latest ({latest.target}) by {latest.by} at {_format(latest.at)}"
        super().__init__(f"{what}. Nothing was imported. Preview the table again.")
        self.latest = latest


def _format(time: float) -> str:
    return f"{dt.datetime.fromtimestamp(time, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
