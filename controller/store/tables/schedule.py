"""Classes and their links, calendars, what they plan, and holidays."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Date, ForeignKey, Index, Integer, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from controller.store.tables.base import Base


class SchoolClass(Base):
    """A class of pupils: a name, and never a list of them."""

    __tablename__ = "classes"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    school: Mapped[str] = mapped_column(ForeignKey("schools.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(80))
    __table_args__ = (UniqueConstraint("school", "name"),)


class ClassLink(Base):
    """A standing link of a class; its secret is derived from the id and the centre's key."""

    __tablename__ = "class_links"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    class_id: Mapped[str] = mapped_column(ForeignKey("classes.id", ondelete="CASCADE"), index=True)
    made_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]


class Calendar(Base):
    """A calendar of a school, or of one of its rooms.

    It is at an address, sealed because a calendar's address is all that opens it, or in a ``file`` of the centre.
    ``digest``, ``etag`` and ``last_modified`` tell that it is as it was, ``problem`` why the last try failed.
    """

    __tablename__ = "calendars"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    school: Mapped[str] = mapped_column(ForeignKey("schools.id", ondelete="CASCADE"), index=True)
    room: Mapped[str | None] = mapped_column(ForeignKey("rooms.id", ondelete="CASCADE"))
    address_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    file: Mapped[str | None] = mapped_column(String(200))
    digest: Mapped[str | None] = mapped_column(String(64))
    etag: Mapped[str | None] = mapped_column(String(200))
    last_modified: Mapped[str | None] = mapped_column(String(200))
    read_on: Mapped[date | None] = mapped_column(Date)
    good_at: Mapped[datetime | None]
    tried_at: Mapped[datetime | None]
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    unmatched: Mapped[list[Any]] = mapped_column(JSON, default=list)


class PlannedLessonRow(Base):
    """A lesson that is planned: planned, bound, held, missed or cancelled; without a calendar it was made by hand."""

    __tablename__ = "planned_lessons"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    room: Mapped[str] = mapped_column(ForeignKey("rooms.id", ondelete="CASCADE"))
    class_id: Mapped[str | None] = mapped_column(ForeignKey("classes.id", ondelete="SET NULL"))
    calendar: Mapped[str | None] = mapped_column(ForeignKey("calendars.id", ondelete="CASCADE"))
    uid: Mapped[str] = mapped_column(String(200), default="")
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    title: Mapped[str] = mapped_column(String(80))
    state: Mapped[str] = mapped_column(String(16))
    lesson: Mapped[str | None] = mapped_column(ForeignKey("lessons.id", ondelete="SET NULL"), index=True)
    why: Mapped[str | None] = mapped_column(String(32))
    __table_args__ = (
        Index(None, "room", "starts_at"),
        Index(None, "class_id", "starts_at"),
        UniqueConstraint("calendar", "room", "uid", "starts_at"),
    )


class HolidayRow(Base):
    """Days without lessons of a school or a territory (``layer``), the first and the last included."""

    __tablename__ = "holidays"
    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    layer: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(48))
    first: Mapped[date] = mapped_column(Date)
    last: Mapped[date] = mapped_column(Date)
    name: Mapped[str] = mapped_column(String(120))
    __table_args__ = (UniqueConstraint("layer", "subject", "first", "name"),)
