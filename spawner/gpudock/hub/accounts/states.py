"""Which accounts are active, wait for approval, or are deactivated.

NativeAuthenticator only knows whether an account is authorized. Which of the others an
administrator has deactivated is in gpudock's database. Without it they count as waiting for
approval, so that nobody signs in by mistake.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from nativeauthenticator.orm import UserInfo

from gpudock.hub.http_errors import LocalizedHTTPError
from gpudock.hub.runtime import Runtime
from gpudock.language import Message
from gpudock.store import StoreError

if TYPE_CHECKING:
    from gpudock.store import Deactivation

log = logging.getLogger(__name__)

_UNAVAILABLE = 503


def deactivations() -> dict[str, Deactivation]:
    """Return the deactivated accounts; none while the database does not answer."""
    try:
        with Runtime.instance().store.snapshot() as transaction:
            return transaction.deactivated.all()
    except (StoreError, RuntimeError) as error:
        log.warning("Deactivated accounts count as waiting for approval: %s", error)
        return {}


def pending(db: Any) -> list[UserInfo]:
    """Return the accounts that wait for approval.

    Args:
        db: the Hub's database session.
    """
    unauthorized = db.query(UserInfo).filter(UserInfo.is_authorized.isnot(True)).all()
    if not unauthorized:
        return []
    deactivated = deactivations()
    return [account for account in unauthorized if account.username not in deactivated]


def is_deactivated(name: str) -> bool:
    """Return whether an account that may not sign in was deactivated."""
    return name in deactivations()


def forget(name: str) -> None:
    """Forget that an account was deactivated, because it is deleted.

    Raises:
        LocalizedHTTPError: the database does not answer.
    """
    if name not in deactivations():
        return
    try:
        with Runtime.instance().store.transaction() as transaction:
            transaction.deactivated.remove(name)
    except StoreError as error:
        message = Message(
            "Nothing was changed: the lab's database does not answer. Try again in a moment."
        )
        raise LocalizedHTTPError(_UNAVAILABLE, message) from error
