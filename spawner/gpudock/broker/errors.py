"""What a broker refuses."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpudock.model import Denial
    from gpudock.store import AuditEntry, QuotaDocument


class Denied(Exception):  # noqa: N818 - an answer, not a failure
    """A request was refused; :attr:`denial` says why, for the person who made it."""

    def __init__(self, denial: Denial) -> None:
        super().__init__(denial.message)
        self.denial = denial


class LeaseConflict(Exception):  # noqa: N818 - an answer, not a failure
    """A lease cannot be used for what was asked; no container may be started for it."""


class GPURefused(Exception):  # noqa: N818 - an answer, not a failure
    """The state of a GPU cannot be changed as asked; the message says why and what to do."""


class ExtensionRefused(Exception):  # noqa: N818 - an answer, not a failure
    """A session cannot be extended as asked; the message says why and what to do."""


class LeadRefused(Exception):  # noqa: N818 - an answer, not a failure
    """The lead of a group may not change a quota so; the message says what they may."""


class QuotaConflict(Exception):  # noqa: N818 - an answer, not a failure
    """A quota was changed by somebody else meanwhile; nothing was changed now.

    Attributes:
        level, name: whose quota it is.
        stored: the document that is there; ``None`` when there is none any more.
    """

    def __init__(self, level: str, name: str, stored: QuotaDocument | None) -> None:
        whose = f"The quota of the {level} «{name}»" if name else "The default quota"
        if stored is None:
            what = "was removed by somebody else meanwhile"
        else:
            what = f"was changed by {stored.updated_by} at {_moment(stored.updated_at)}"
        super().__init__(f"{whose} {what}. Look at it again, and repeat your change if need be.")
        self.level = level
        self.name = name
        self.stored = stored


class QuotaTableConflict(Exception):  # noqa: N818 - an answer, not a failure
    """Quotas were changed since a table of them was looked at; nothing was changed now.

    Attributes:
        latest: the latest change; ``None`` when the audit trail does not know it.
    """

    def __init__(self, latest: AuditEntry | None) -> None:
        what = "Quotas were changed meanwhile"
        if latest is not None:
            what += f", the latest ({latest.target}) by {latest.by} at {_moment(latest.at)}"
        super().__init__(f"{what}. Nothing was taken from the table. Look at what it means now.")
        self.latest = latest


def _moment(seconds: float) -> str:
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
