"""First tables: rooms, accounts, lessons, links, events, last reports, audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "rooms",
        sa.Column("id", sa.String(48), nullable=False),
        sa.Column("territory", sa.String(48), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("added_at", _TIME, nullable=False),
        sa.Column("config_rev", sa.Integer(), nullable=False),
        sa.Column("config_sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rooms"),
    )
    op.create_table(
        "users",
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password_hash", sa.String(200), nullable=False),
        sa.Column("added_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_users"),
    )
    op.create_table(
        "sessions",
        sa.Column("token_sha256", sa.String(64), nullable=False),
        sa.Column("user", sa.String(80), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("seen_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("token_sha256", name="pk_sessions"),
        sa.ForeignKeyConstraint(["user"], ["users.name"], name="fk_sessions_user_users", ondelete="CASCADE"),
    )
    op.create_index("ix_sessions_user", "sessions", ["user"])
    op.create_table(
        "lessons",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("room", sa.String(48), nullable=False),
        sa.Column("code_turn", sa.Integer(), nullable=False),
        sa.Column("known_as", sa.String(64), nullable=True),
        sa.Column("made_at", _TIME, nullable=False),
        sa.Column("started_at", _TIME, nullable=True),
        sa.Column("ended_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_lessons"),
        sa.ForeignKeyConstraint(["room"], ["rooms.id"], name="fk_lessons_room_rooms", ondelete="CASCADE"),
    )
    op.create_index("ix_lessons_room", "lessons", ["room"])
    op.create_table(
        "links",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("room", sa.String(48), nullable=False),
        sa.Column("made_at", _TIME, nullable=False),
        sa.Column("withdrawn_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_links"),
        sa.ForeignKeyConstraint(["room"], ["rooms.id"], name="fk_links_room_rooms", ondelete="CASCADE"),
    )
    op.create_index("ix_links_room", "links", ["room"])
    op.create_table(
        "events",
        sa.Column("seq", sa.Integer(), nullable=False, autoincrement=True),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("room", sa.String(48), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("stored_at", _TIME, nullable=False),
        sa.Column("fact", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_events"),
        sa.UniqueConstraint("room", "id", name="uq_events_room_id"),
    )
    op.create_index("ix_events_room_at", "events", ["room", "at"])
    op.create_table(
        "room_last",
        sa.Column("room", sa.String(48), nullable=False),
        sa.Column("heard_at", _TIME, nullable=False),
        sa.Column("state", sa.JSON(), nullable=True),
        sa.Column("health", sa.JSON(), nullable=True),
        sa.Column("agent", sa.String(32), nullable=True),
        sa.PrimaryKeyConstraint("room", name="pk_room_last"),
        sa.ForeignKeyConstraint(["room"], ["rooms.id"], name="fk_room_last_room_rooms", ondelete="CASCADE"),
    )
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer(), nullable=False, autoincrement=True),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("actor", sa.String(80), nullable=False),
        sa.Column("act", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(80), nullable=False),
        sa.Column("outcome", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_audit"),
    )
    op.create_index("ix_audit_at", "audit", ["at"])
