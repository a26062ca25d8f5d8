"""The audit trail of what administrators change in the Hub."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from tornado import web

from gpudock.hub.runtime import Runtime
from gpudock.store import AuditEntry, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

log = logging.getLogger(__name__)

_UNAVAILABLE = 503


def record(by: str, what: str, target: str, before: Any, after: Any) -> None:
    """Record a change just before it is made; see :func:`record_all`."""
    record_all(by, what, [(target, before, after)])


def record_all(by: str, what: str, changes: Iterable[tuple[str, Any, Any]]) -> None:
    """Record changes of one kind just before they are made, so that none is missing.

    Args:
        by: name of the user or service that makes them.
        what: kind of change, for example ``account.approve``.
        changes: of each its target, and the target's value before and after it.

    Raises:
        web.HTTPError: the database failed; then the changes must not be made.
    """
    store = Runtime.instance().store
    now = store.clock()
    entries = [AuditEntry(now, by, what, *change) for change in changes]
    if not entries:
        return
    try:
        with store.transaction() as transaction:
            transaction.audit.add(entries)
    except StoreError as error:
        log.warning("A change could not be recorded: %s", error)
        message = (
            "Nothing was changed, because the change could not be recorded in the audit trail. "
            "The lab's database does not answer. Try again in a moment."
        )
        raise web.HTTPError(_UNAVAILABLE, message) from error
