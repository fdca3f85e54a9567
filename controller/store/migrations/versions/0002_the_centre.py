"""The centre's tables: schools, grants, settings, trust, incidents, schedule, acts, numbers.

Each territory gets one school, with the territory's own id, that holds its rooms until somebody makes others. What an
account may do goes from its one role to grants.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _schools()
    _rooms()
    _accounts()
    _users()
    _audit()
    _settings_and_trust()
    _incidents()
    _schedule()
    _acts_and_numbers()


def _rooms() -> None:
    op.execute("INSERT INTO territories (id, name, settings_rev) SELECT DISTINCT territory, territory, 0 FROM rooms")
    op.execute(
        "INSERT INTO schools (id, territory, name, zone, start, ring, contact, settings_rev, added_at)"
        " SELECT id, id, name, 'Europe/Paris', 'press', 1, '', 0, CURRENT_TIMESTAMP FROM territories"
    )
    with op.batch_alter_table("rooms") as rooms:
        rooms.add_column(sa.Column("school", sa.String(48), nullable=True))
        rooms.add_column(sa.Column("ring", sa.Integer(), nullable=True))
        rooms.add_column(sa.Column("settings_rev", sa.Integer(), server_default="0", nullable=False))
        rooms.add_column(sa.Column("maintenance_until", _TIME, nullable=True))
        rooms.add_column(sa.Column("maintenance_why", sa.String(200), nullable=True))
        rooms.add_column(sa.Column("retired_at", _TIME, nullable=True))
        rooms.add_column(sa.Column("revoked_at", _TIME, nullable=True))
    op.execute("UPDATE rooms SET school = territory")
    with op.batch_alter_table("rooms") as rooms:
        rooms.alter_column("school", existing_type=sa.String(48), nullable=False)
        rooms.create_foreign_key("fk_rooms_school_schools", "schools", ["school"], ["id"])
    op.create_index("ix_rooms_school", "rooms", ["school"])


def _users() -> None:
    op.execute("INSERT INTO grants (\"user\", role, scope) SELECT name, role, 'all' FROM users")
    with op.batch_alter_table("users") as users:
        users.add_column(sa.Column("kind", sa.String(16), server_default="local", nullable=False))
        users.add_column(sa.Column("subject", sa.String(255), nullable=True))
        users.add_column(sa.Column("totp_sealed", sa.LargeBinary(), nullable=True))
        users.add_column(sa.Column("totp_step", sa.Integer(), nullable=True))
        users.add_column(sa.Column("is_off", sa.Boolean(), server_default=sa.false(), nullable=False))
        users.alter_column("password_hash", existing_type=sa.String(200), nullable=True)
        users.create_unique_constraint("uq_users_subject", ["subject"])
        users.drop_column("role")


def _audit() -> None:
    op.add_column("audit", sa.Column("kind", sa.String(16), server_default="account", nullable=False))
    op.add_column("audit", sa.Column("room", sa.String(48), nullable=True))
    op.add_column("audit", sa.Column("scope", sa.String(64), nullable=True))
    op.add_column("audit", sa.Column("detail", sa.JSON(), nullable=True))
    op.add_column("audit", sa.Column("address_kind", sa.String(16), nullable=True))
    op.create_index("ix_audit_actor", "audit", ["actor"])
    op.create_index("ix_audit_room_at", "audit", ["room", "at"])
    op.execute("UPDATE audit SET kind = 'command-line' WHERE actor = 'command line'")
    op.execute("UPDATE audit SET room = subject WHERE subject IN (SELECT id FROM rooms)")


def _schools() -> None:
    op.create_table(
        "territories",
        sa.Column("id", sa.String(48), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("settings_rev", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_territories"),
    )
    op.create_table(
        "schools",
        sa.Column("id", sa.String(48), nullable=False),
        sa.Column("territory", sa.String(48), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("start", sa.String(16), nullable=False),
        sa.Column("ring", sa.Integer(), nullable=False),
        sa.Column("contact", sa.String(200), nullable=False),
        sa.Column("settings_rev", sa.Integer(), nullable=False),
        sa.Column("maintenance_until", _TIME, nullable=True),
        sa.Column("maintenance_why", sa.String(200), nullable=True),
        sa.Column("added_at", _TIME, nullable=False),
        sa.Column("retired_at", _TIME, nullable=True),
        sa.ForeignKeyConstraint(["territory"], ["territories.id"], name="fk_schools_territory_territories"),
        sa.PrimaryKeyConstraint("id", name="pk_schools"),
    )
    op.create_index("ix_schools_territory", "schools", ["territory"])
    op.create_table(
        "leases",
        sa.Column("territory", sa.String(48), nullable=False),
        sa.Column("holder", sa.String(48), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("until", _TIME, nullable=False),
        sa.Column("url", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("territory", name="pk_leases"),
    )
    op.create_table(
        "room_numbers",
        sa.Column("no", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("room", sa.String(48), nullable=False),
        sa.PrimaryKeyConstraint("no", name="pk_room_numbers"),
        sa.UniqueConstraint("room", name="uq_room_numbers_room"),
        sqlite_autoincrement=True,
    )


def _accounts() -> None:
    op.create_table(
        "grants",
        sa.Column("user", sa.String(80), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("scope", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["user"], ["users.name"], name="fk_grants_user_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user", "role", "scope", name="pk_grants"),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("user", sa.String(80), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("used_at", _TIME, nullable=True),
        sa.ForeignKeyConstraint(["user"], ["users.name"], name="fk_recovery_codes_user_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user", "sha256", name="pk_recovery_codes"),
    )
    op.create_table(
        "api_tokens",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("user", sa.String(80), nullable=False),
        sa.Column("permissions", sa.JSON(), nullable=False),
        sa.Column("scope", sa.String(64), nullable=False),
        sa.Column("made_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("used_at", _TIME, nullable=True),
        sa.Column("revoked_at", _TIME, nullable=True),
        sa.ForeignKeyConstraint(["user"], ["users.name"], name="fk_api_tokens_user_users", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("sha256", name="pk_api_tokens"),
    )
    op.create_index("ix_api_tokens_user", "api_tokens", ["user"])


def _settings_and_trust() -> None:
    op.create_table(
        "settings_history",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("layer", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(48), nullable=False),
        sa.Column("rev", sa.Integer(), nullable=False),
        sa.Column("tables", sa.JSON(), nullable=False),
        sa.Column("diff", sa.JSON(), nullable=False),
        sa.Column("author", sa.String(80), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("note", sa.String(500), nullable=False),
        sa.Column("reverts", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name="pk_settings_history"),
        sa.UniqueConstraint("layer", "subject", "rev", name="uq_settings_history_layer_subject_rev"),
    )
    op.create_table(
        "rollouts",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("target", sa.JSON(), nullable=False),
        sa.Column("ring", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("stage_at", _TIME, nullable=False),
        sa.Column("author", sa.String(80), nullable=False),
        sa.Column("problem", sa.String(500), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_rollouts"),
    )
    op.create_index("ix_rollouts_state", "rollouts", ["state"])
    op.create_table(
        "rollout_rooms",
        sa.Column("rollout", sa.String(64), nullable=False),
        sa.Column("room", sa.String(48), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("problem", sa.String(500), nullable=True),
        sa.ForeignKeyConstraint(
            ["rollout"], ["rollouts.id"], name="fk_rollout_rooms_rollout_rollouts", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["room"], ["rooms.id"], name="fk_rollout_rooms_room_rooms", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("rollout", "room", name="pk_rollout_rooms"),
    )
    op.create_table(
        "enrol_codes",
        sa.Column("code_sha256", sa.String(64), nullable=False),
        sa.Column("room", sa.String(48), nullable=False),
        sa.Column("made_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("used_at", _TIME, nullable=True),
        sa.Column("used_from", sa.String(16), nullable=True),
        sa.Column("author", sa.String(80), nullable=False),
        sa.ForeignKeyConstraint(["room"], ["rooms.id"], name="fk_enrol_codes_room_rooms", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("code_sha256", name="pk_enrol_codes"),
    )
    op.create_index("ix_enrol_codes_room", "enrol_codes", ["room"])
    op.create_table(
        "certificates",
        sa.Column("serial", sa.String(40), nullable=False),
        sa.Column("room", sa.String(48), nullable=False),
        sa.Column("not_before", _TIME, nullable=False),
        sa.Column("not_after", _TIME, nullable=False),
        sa.Column("issued_at", _TIME, nullable=False),
        sa.Column("why", sa.String(16), nullable=False),
        sa.Column("revoked_at", _TIME, nullable=True),
        sa.Column("reason", sa.String(80), nullable=True),
        sa.PrimaryKeyConstraint("serial", name="pk_certificates"),
    )
    op.create_index("ix_certificates_not_after", "certificates", ["not_after"])
    op.create_index("ix_certificates_room", "certificates", ["room"])


def _incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("territory", sa.String(48), nullable=False),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(48), nullable=False),
        sa.Column("cause", sa.String(80), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("urgency", sa.String(16), nullable=False),
        sa.Column("opened_at", _TIME, nullable=False),
        sa.Column("known_at", _TIME, nullable=False),
        sa.Column("closed_at", _TIME, nullable=True),
        sa.Column("close_reason", sa.String(16), nullable=True),
        sa.Column("covered_by", sa.String(64), nullable=True),
        sa.Column("acked_by", sa.String(80), nullable=True),
        sa.Column("acked_at", _TIME, nullable=True),
        sa.Column("muted_until", _TIME, nullable=True),
        sa.Column("is_flapping", sa.Boolean(), nullable=False),
        sa.Column("title", sa.JSON(), nullable=False),
        sa.Column("rooms", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_incidents"),
    )
    op.create_index("ix_incidents_territory_closed_at", "incidents", ["territory", "closed_at"])
    op.create_index(
        "uq_incidents_open",
        "incidents",
        ["scope", "subject", "cause"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "incident_rooms",
        sa.Column("incident", sa.String(64), nullable=False),
        sa.Column("room", sa.String(48), nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("until", _TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["incident"], ["incidents.id"], name="fk_incident_rooms_incident_incidents", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("incident", "room", name="pk_incident_rooms"),
    )
    op.create_index("ix_incident_rooms_room", "incident_rooms", ["room"])
    op.create_table(
        "incident_entries",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("incident", sa.String(64), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("actor", sa.String(80), nullable=True),
        sa.Column("text", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident"], ["incidents.id"], name="fk_incident_entries_incident_incidents", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_incident_entries"),
    )
    op.create_index("ix_incident_entries_incident", "incident_entries", ["incident"])
    op.create_table(
        "mutes",
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(48), nullable=False),
        sa.Column("cause", sa.String(80), nullable=False),
        sa.Column("until", _TIME, nullable=False),
        sa.Column("author", sa.String(80), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("scope", "subject", "cause", name="pk_mutes"),
    )
    op.create_table(
        "notice_channels",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("address_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("scope", sa.String(64), nullable=False),
        sa.Column("severities", sa.JSON(), nullable=False),
        sa.Column("hours", sa.JSON(), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("is_off", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notice_channels"),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("incident", sa.String(64), nullable=True),
        sa.Column("channel", sa.String(64), nullable=False),
        sa.Column("to_hash", sa.String(64), nullable=False),
        sa.Column("made_at", _TIME, nullable=False),
        sa.Column("due_at", _TIME, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("sent_at", _TIME, nullable=True),
        sa.Column("outcome", sa.String(64), nullable=True),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["channel"], ["notice_channels.id"], name="fk_notices_channel_notice_channels", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["incident"], ["incidents.id"], name="fk_notices_incident_incidents", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
    )
    op.create_index("ix_notices_channel", "notices", ["channel"])
    op.create_index("ix_notices_incident", "notices", ["incident"])
    op.create_index("ix_notices_sent_at_due_at", "notices", ["sent_at", "due_at"])


def _schedule() -> None:
    op.create_table(
        "classes",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("school", sa.String(48), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.ForeignKeyConstraint(["school"], ["schools.id"], name="fk_classes_school_schools", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_classes"),
        sa.UniqueConstraint("school", "name", name="uq_classes_school_name"),
    )
    op.create_table(
        "class_links",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("class_id", sa.String(64), nullable=False),
        sa.Column("made_at", _TIME, nullable=False),
        sa.Column("withdrawn_at", _TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["class_id"], ["classes.id"], name="fk_class_links_class_id_classes", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_class_links"),
    )
    op.create_index("ix_class_links_class_id", "class_links", ["class_id"])
    op.create_table(
        "calendars",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("school", sa.String(48), nullable=False),
        sa.Column("room", sa.String(48), nullable=True),
        sa.Column("address_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("file", sa.String(200), nullable=True),
        sa.Column("digest", sa.String(64), nullable=True),
        sa.Column("etag", sa.String(200), nullable=True),
        sa.Column("last_modified", sa.String(200), nullable=True),
        sa.Column("read_on", sa.Date(), nullable=True),
        sa.Column("good_at", _TIME, nullable=True),
        sa.Column("tried_at", _TIME, nullable=True),
        sa.Column("problem", sa.JSON(), nullable=True),
        sa.Column("unmatched", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["room"], ["rooms.id"], name="fk_calendars_room_rooms", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["school"], ["schools.id"], name="fk_calendars_school_schools", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_calendars"),
    )
    op.create_index("ix_calendars_school", "calendars", ["school"])
    op.create_table(
        "planned_lessons",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("room", sa.String(48), nullable=False),
        sa.Column("class_id", sa.String(64), nullable=True),
        sa.Column("calendar", sa.String(64), nullable=True),
        sa.Column("uid", sa.String(200), nullable=False),
        sa.Column("starts_at", _TIME, nullable=False),
        sa.Column("ends_at", _TIME, nullable=False),
        sa.Column("title", sa.String(80), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("lesson", sa.String(64), nullable=True),
        sa.Column("why", sa.String(32), nullable=True),
        sa.ForeignKeyConstraint(
            ["calendar"], ["calendars.id"], name="fk_planned_lessons_calendar_calendars", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["class_id"], ["classes.id"], name="fk_planned_lessons_class_id_classes", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["lesson"], ["lessons.id"], name="fk_planned_lessons_lesson_lessons", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["room"], ["rooms.id"], name="fk_planned_lessons_room_rooms", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_planned_lessons"),
        sa.UniqueConstraint(
            "calendar", "room", "uid", "starts_at", name="uq_planned_lessons_calendar_room_uid_starts_at"
        ),
    )
    op.create_index("ix_planned_lessons_class_id_starts_at", "planned_lessons", ["class_id", "starts_at"])
    op.create_index("ix_planned_lessons_lesson", "planned_lessons", ["lesson"])
    op.create_index("ix_planned_lessons_room_starts_at", "planned_lessons", ["room", "starts_at"])
    op.create_table(
        "holidays",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("layer", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(48), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_holidays"),
        sa.UniqueConstraint("layer", "subject", "first", "name", name="uq_holidays_layer_subject_first_name"),
    )


def _acts_and_numbers() -> None:
    op.create_table(
        "acts",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("bulk", sa.String(64), nullable=True),
        sa.Column("room", sa.String(48), nullable=False),
        sa.Column("act", sa.String(64), nullable=False),
        sa.Column("args", sa.JSON(), nullable=False),
        sa.Column("who", sa.String(80), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("outcome", sa.String(64), nullable=True),
        sa.Column("took_s", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_acts"),
    )
    op.create_index("ix_acts_bulk", "acts", ["bulk"])
    op.create_index("ix_acts_room_at", "acts", ["room", "at"])
    op.create_table(
        "looks",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("room", sa.String(48), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("asked_by", sa.String(80), nullable=False),
        sa.Column("asked_at", _TIME, nullable=False),
        sa.Column("answer", sa.String(16), nullable=True),
        sa.Column("file", sa.String(200), nullable=True),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_looks"),
    )
    op.create_index("ix_looks_expires_at", "looks", ["expires_at"])
    op.create_index("ix_looks_room", "looks", ["room"])
    op.create_table(
        "screen_codes",
        sa.Column("code_sha256", sa.String(64), nullable=False),
        sa.Column("room", sa.String(48), nullable=False),
        sa.Column("lesson", sa.String(64), nullable=False),
        sa.Column("jti", sa.String(64), nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("used_at", _TIME, nullable=True),
        sa.ForeignKeyConstraint(["room"], ["rooms.id"], name="fk_screen_codes_room_rooms", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("code_sha256", name="pk_screen_codes"),
    )
    op.create_index("ix_screen_codes_room", "screen_codes", ["room"])
    op.create_table(
        "room_changes",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("room", sa.String(48), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("what", sa.String(64), nullable=False),
        sa.Column("before", sa.String(64), nullable=True),
        sa.Column("after", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("seq", name="pk_room_changes"),
    )
    op.create_index("ix_room_changes_room_at", "room_changes", ["room", "at"])
    op.create_table(
        "rollups",
        sa.Column("room_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("width_s", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("slot", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(64), nullable=False),
        sa.PrimaryKeyConstraint("room_no", "width_s", "slot", name="pk_rollups"),
        sqlite_with_rowid=False,
    )
