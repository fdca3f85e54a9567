"""Alembic's entry: migrations run on the connection that `controller.store.database.upgrade` hands over."""

from __future__ import annotations

from alembic import context

from controller.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
