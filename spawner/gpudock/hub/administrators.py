"""Who may stop being an administrator, and who may be removed."""

from __future__ import annotations

from typing import Any

from jupyterhub import orm

from gpudock.hub.runtime import Runtime
from gpudock.language import Message


def reason_to_keep(handler: Any, name: str) -> str | None:
    """Return why a user must stay, and stay an administrator, in a sentence; ``None``: nothing.

    Args:
        handler: of the request of the administrator, who must be allowed to change users.
        name: the user's name.
    """
    authenticator = handler.authenticator
    if name in authenticator.admin_users:
        return Message(
            '"{name}" is an administrator by the setting GPUDOCK_ADMIN or by the configuration. '
            "Change it there first, and restart the hub.",
            name=name,
        )
    user = orm.User.find(handler.db, name)
    if user is not None and user.admin and not _others(handler, name):
        return Message(
            '"{name}" is the last administrator. Make another user an administrator first.',
            name=name,
        )
    return None


def administrators(db: Any) -> set[str]:
    """Return the names of all administrators."""
    return {user.name for user in db.query(orm.User).filter(orm.User.admin) if user.name}


def forget_quota(by: str, name: str) -> None:
    """Remove the quota of a user whose account is deleted; another one would inherit it.

    Args:
        by: the administrator, for the audit trail.
        name: the user's name.
    """
    runtime = Runtime.instance()
    if not runtime.is_ready:
        return
    quotas = runtime.broker.quotas
    if any((found.level, found.name) == ("user", name) for found in quotas.documents()):
        quotas.set("user", name, None, by)


def _others(handler: Any, name: str) -> set[str]:
    """Return the other administrators who can sign in."""
    can_sign_in = getattr(handler.authenticator, "can_sign_in", lambda _name: True)
    return {other for other in administrators(handler.db) - {name} if can_sign_in(other)}
