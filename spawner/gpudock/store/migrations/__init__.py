"""The chain of schema versions, and how a database is brought to the newest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from gpudock.store.errors import StoreUnusableError

if TYPE_CHECKING:
    from sqlalchemy import Connection


def is_current(connection: Connection) -> bool:
    """Return whether the database has the newest schema."""
    current = MigrationContext.configure(connection).get_current_revision()
    return current is not None and current == _scripts(_config()).get_current_head()


def upgrade(connection: Connection) -> None:
    """Bring the database to the newest schema, within the connection's open transaction.

    Raises:
        StoreUnusableError: a newer version of gpudock wrote it.
    """
    config = _config()
    scripts = _scripts(config)
    current = MigrationContext.configure(connection).get_current_revision()
    if current == scripts.get_current_head():
        return
    if current is not None and current not in {
        script.revision for script in scripts.walk_revisions()
    }:
        msg = (
            f"The lab's database was written by a newer version of gpudock (schema {current})."
            " Install that version or a later one, or restore a backup made before the upgrade."
        )
        raise StoreUnusableError(msg)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "gpudock.store:migrations")
    return config


def _scripts(config: Config) -> ScriptDirectory:
    return ScriptDirectory.from_config(config)
