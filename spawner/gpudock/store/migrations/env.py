"""Alembic's environment: migrations run on the connection that the store opened."""

from alembic import context

from gpudock.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
# The store opened the transaction and commits it: a schema is upgraded whole or not at all.
context.run_migrations()
