"""The lessons of every room: what is next, what runs, what ended; codes and standing links; the room's config.

For every room there is always one *present* lesson, made ahead: its code and the standing link are in the room's
retained config document before anybody presses Start. The room says when it begins and when it is over; then the next
one is made and published. Decisions are made at once in memory, written and published by `LessonBook.run`.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from controller.backoff import until_stored
from controller.fleet import Fleet
from controller.keys import Keys, read_code
from controller.store.lessons import LessonRecord, LinkRecord
from controller.store.rooms import RoomRecord
from controller.store.store import Store
from protocol.errors import AccessError, EstradeError, LessonError, StoreError
from protocol.lesson import LessonState
from protocol.messages import Access, ConfigDocument, RoomConfig, RoomState
from protocol.pages import LessonView
from protocol.topics import RoomTopics

log = logging.getLogger(__name__)

REMEMBER_ENDED = timedelta(hours=24)
"""So long an ended lesson's code is answered "over" and not "wrong", and is given to no other lesson."""
RESUME_S = 10.0
"""A room whose agent was restarted in a lesson says idle before it resumes; only then is the lesson's end believed."""

PUBLISH_AT_ONCE = 20
"""mosquitto's default Receive Maximum."""

Publish = Callable[[RoomTopics, ConfigDocument | None], Awaitable[None]]
"""``await publish(topics, document)`` puts the room's retained config; None takes it away."""


@dataclass(slots=True)
class _Room:
    record: RoomRecord
    link: LinkRecord
    present: LessonRecord
    rev: int
    sha256: str
    running_sid: str | None = None
    had_failed: bool = False
    ends_at_mono: float | None = None
    removed: set[str] = field(default_factory=set)
    """The marks of tickets that are void in the present lesson."""


def holder_of(removed: Mapping[str, Any]) -> str | None:
    """Return whose ticket the fact ``viewer.removed`` makes void; None: nobody's, or it is not of its form."""
    holder = removed.get("holder")
    return holder if isinstance(holder, str) else None


class LessonBook:
    """Lessons, codes and links of every registered room."""

    def __init__(
        self,
        store: Store,
        keys: Keys,
        fleet: Fleet,
        *,
        public_url: str,
        now: Callable[[], datetime],
        mono: Callable[[], float],
        on_change: Callable[[str], None] = lambda room: None,
        on_removed: Callable[[str, str], None] = lambda room, holder: None,
    ) -> None:
        self._store = store
        self._keys = keys
        self._fleet = fleet
        self._public_url = public_url
        self._now = now
        self._mono = mono
        self._on_change, self._on_removed = on_change, on_removed
        self._rooms: dict[str, _Room] = {}
        self._lessons: dict[str, LessonRecord] = {}
        self._codes: dict[str, str] = {}
        self._link_rooms: dict[str, str] = {}
        self._unsaved: dict[str, LessonRecord] = {}
        self._unsaved_revs: dict[str, tuple[int, str]] = {}
        self._unpublished: set[str] = set()
        self._left: set[RoomTopics] = set()
        """Where a room was before it was moved, and its config may still be."""
        self._work = asyncio.Event()
        self._saving = asyncio.Lock()
        self._not_saved = asyncio.Event()

    # --- registering --------------------------------------------------------------------------------------------

    async def load(self, rooms: Iterable[RoomRecord]) -> None:
        """Take up where we left; make what is missing."""
        await self._load(rooms)
        await self.save()

    async def add(self, record: RoomRecord) -> None:
        """Register a room, or take its new name or territory."""
        known = self._rooms.get(record.id)
        if known is None:
            await self._load([record], record.id)
            return
        moved = replace(known.record, name=record.name, territory=record.territory, school=record.school)
        if moved != known.record:
            before, now = RoomTopics(known.record.territory, record.id), RoomTopics(moved.territory, record.id)
            self._left = (self._left | {before}) - {now}
            known.record = moved
            self._publish_soon(record.id)

    async def _load(self, rooms: Iterable[RoomRecord], room: str | None = None) -> None:
        links = {link.room: link for link in await self._store.lessons.links(room)}
        present: dict[str, LessonRecord] = {}
        for lesson in await self._store.lessons.since(self._now() - REMEMBER_ENDED, room):
            self._keep(lesson)
            if lesson.ended_at is None:
                present[lesson.room] = lesson
        removed = await self._removed([lesson.room for lesson in present.values() if lesson.code_turn])
        added = list(rooms)
        new_links = [LinkRecord(f"k-{secrets.token_hex(8)}", r.id, self._now()) for r in added if r.id not in links]
        await self._store.lessons.add_links(new_links)  # may fail; until here nothing has changed
        links |= {link.room: link for link in new_links}
        present |= {r.id: self._make(r.id) for r in added if r.id not in present}
        for record in added:
            link = links[record.id]
            self._rooms[record.id] = _Room(
                record,
                link,
                present[record.id],
                record.config_rev,
                record.config_sha256,
                removed=removed.get(record.id, set()),
            )
            self._link_rooms[self._keys.link(link.id)] = record.id
            self._publish_soon(record.id)

    async def _removed(self, rooms: Iterable[str]) -> dict[str, set[str]]:
        """Return the marks of void tickets, from the facts; those of an older lesson do no harm."""
        removed: dict[str, set[str]] = {}
        for room in rooms:
            facts = await self._store.events.of_kind(room, "viewer.removed")
            removed[room] = {holder for fact in facts if (holder := holder_of(fact.fact)) is not None}
        return removed

    def _make(self, room: str) -> LessonRecord:
        lesson = LessonRecord(f"l-{secrets.token_hex(8)}", room, self._now())
        while self._keys.code(lesson.id, lesson.code_turn) in self._codes:
            lesson = replace(lesson, code_turn=lesson.code_turn + 1)
        self._keep(lesson)
        self._unsaved[lesson.id] = lesson
        return lesson

    def _keep(self, lesson: LessonRecord) -> None:
        self._lessons[lesson.id] = lesson
        self._codes[self._keys.code(lesson.id, lesson.code_turn)] = lesson.id

    # --- what pupils ask ----------------------------------------------------------------------------------------

    def access(self, room: str) -> Access:
        """Return how pupils get into the room's present lesson; KeyError for a room that is not registered."""
        known = self._rooms[room]
        return Access(
            lesson=known.present.id,
            code=self._keys.code(known.present.id, known.present.code_turn),
            link=f"{self._public_url}/j/{self._keys.link(known.link.id)}",
        )

    def by_code(self, typed: str) -> LessonRecord:
        """Return the lesson of a code; raise AccessError ``code-wrong`` or LessonError ``lesson-ended``."""
        code = read_code(typed)
        lesson = self._lessons.get(self._codes.get(code, "")) if code is not None else None
        if lesson is None or lesson.room not in self._rooms:
            raise AccessError("no lesson has this code; look at it again or ask the teacher", code="code-wrong")
        if lesson.ended_at is not None:
            raise LessonError("the lesson of this code is over", code="lesson-ended")
        return lesson

    def by_link(self, secret: str) -> LessonRecord:
        """Return the present lesson of a standing link's room; raise AccessError ``link-wrong``."""
        room = self._link_rooms.get(secret)
        if room is None:
            raise AccessError("this link is not valid, or no longer; ask for a new one", code="link-wrong")
        return self._rooms[room].present

    def view(self, lesson: str, room: str) -> LessonView:
        """Return the lesson as somebody with a ticket for it may know it."""
        known = self._rooms.get(room)
        if known is None:
            raise LessonError("the room of this ticket is not known here any more", code="lesson-ended")
        state = self._fleet.state(room)
        names = (known.present.id, known.present.known_as)
        running = self._fleet.running_lesson(room)
        phase: str = "ended"
        if lesson in names:
            phase = "open" if running in names and running is not None else "waiting"
        is_open = phase == "open" and state is not None
        return LessonView.model_validate(
            {
                "lesson": lesson,
                "room": room,
                "room_name": known.record.name,
                "room_online": self._fleet.is_online(room),
                "phase": phase,
                "state": state.state if is_open and state else LessonState.IDLE,
                "paused": state.paused if is_open and state else False,
            }
        )

    # --- what rooms report --------------------------------------------------------------------------------------

    def reported(self, room: str, state: RoomState) -> None:
        """Take a state document: begin, adopt or end the room's lesson by it."""
        known = self._rooms.get(room)
        if known is None:
            return
        before = known.present
        running = state.lesson.id if state.lesson is not None else None
        if running is not None:
            self._is_running(known, running, state)
        elif known.present.started_at is not None and state.state is not LessonState.FAILED:
            if known.running_sid in (None, state.sid):
                self._end(known)
            elif known.ends_at_mono is None:
                known.ends_at_mono = self._mono() + RESUME_S
        known.had_failed = state.state is LessonState.FAILED
        if known.present is not before:
            self._on_change(room)

    def ended_by_fact(self, room: str, lesson: str) -> None:
        """Take ``lesson.ended`` of a lesson that began and ended while we were away."""
        known = self._rooms.get(room)
        if known is None or lesson not in (known.present.id, known.present.known_as):
            return
        state = self._fleet.state(room)
        if state is None or state.lesson is None:  # else the room's state will say it
            self._end(known)
            self._on_change(room)

    def removed_by_fact(self, room: str, lesson: str, holder: str | None) -> None:
        """Take ``viewer.removed``: the ticket is void from now on, and the lesson's code is another."""
        known = self._rooms.get(room)
        if known is None or lesson not in (known.present.id, known.present.known_as):
            return
        if holder is not None:
            known.removed.add(holder)
            self._on_removed(room, holder)
        self._turn_code(known)

    def is_removed(self, room: str, jti: str) -> bool:
        """Say whether this ticket's pupil was shown out of the room's present lesson."""
        known = self._rooms.get(room)
        return known is not None and self._keys.holder(room, jti) in known.removed

    def _turn_code(self, known: _Room) -> None:
        before = known.present
        after = replace(before, code_turn=before.code_turn + 1)
        while self._keys.code(after.id, after.code_turn) in self._codes:
            after = replace(after, code_turn=after.code_turn + 1)
        del self._codes[self._keys.code(before.id, before.code_turn)]
        self._replace(known, after)
        self._keep(after)
        self._publish_soon(known.record.id)

    def _is_running(self, known: _Room, running: str, state: RoomState) -> None:
        known.ends_at_mono, known.running_sid = None, state.sid
        present = known.present
        if present.started_at is not None and running not in (present.id, present.known_as) and not known.had_failed:
            self._end(known)
            known.running_sid = state.sid
            present = known.present
        known_as = None if running == present.id else running
        if present.started_at is None or known_as != present.known_as:
            if known_as is not None:
                log.info("lesson %s of %s was begun by the room as %s", present.id, known.record.id, known_as)
            self._replace(known, replace(present, started_at=present.started_at or self._now(), known_as=known_as))

    def _end(self, known: _Room) -> None:
        self._replace(known, replace(known.present, ended_at=self._now()))
        log.info("lesson %s of %s ended", known.present.id, known.record.id)
        known.present = self._make(known.record.id)
        known.ends_at_mono = known.running_sid = None
        known.removed.clear()
        self._forget_old()
        self._publish_soon(known.record.id)

    def _replace(self, known: _Room, lesson: LessonRecord) -> None:
        known.present = self._lessons[lesson.id] = self._unsaved[lesson.id] = lesson
        self._work.set()

    def _forget_old(self) -> None:
        limit = self._now() - REMEMBER_ENDED
        for lesson in [one for one in self._lessons.values() if one.ended_at is not None and one.ended_at < limit]:
            del self._lessons[lesson.id]
            self._codes.pop(self._keys.code(lesson.id, lesson.code_turn), None)

    def tick(self) -> None:
        """End the lessons whose room came back and did not resume; call it each second."""
        for known in self._rooms.values():
            if known.ends_at_mono is not None and self._mono() >= known.ends_at_mono:
                self._end(known)
                self._on_change(known.record.id)

    # --- writing and publishing ---------------------------------------------------------------------------------

    def publish_all_soon(self) -> None:
        """Publish every config again: the broker may have lost its memory."""
        self._unpublished.update(self._rooms)
        self._work.set()

    def _publish_soon(self, room: str) -> None:
        self._unpublished.add(room)
        self._work.set()

    async def run(self, publish: Publish) -> None:
        """Write what was decided and publish configs, until cancelled.

        A config that cannot be sent, or a lesson that cannot be written, is so later. What people are to be told is
        written first; but pupils get in, and rooms get their config, also while the database takes nothing.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._run_saving(), name="lesson-book saving")
            tasks.create_task(self._run_publishing(publish), name="lesson-book publishing")

    async def _run_saving(self) -> None:
        """Write what could not be written at once."""
        while True:
            await self._not_saved.wait()
            self._not_saved.clear()
            await until_stored(self.save)

    async def _run_publishing(self, publish: Publish) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            waiting, self._unpublished = self._unpublished, set()
            documents = self._documents(sorted(waiting))
            try:
                await self.save()
            except StoreError:
                self._not_saved.set()
            left, self._left = self._left, set()
            limit = asyncio.Semaphore(PUBLISH_AT_ONCE)
            async with asyncio.TaskGroup() as tasks:
                for topics, document in (*documents.items(), *((topics, None) for topics in left)):
                    tasks.create_task(self._publish(publish, topics, document, limit), name=f"config {topics.room}")

    async def _publish(
        self, publish: Publish, topics: RoomTopics, document: ConfigDocument | None, limit: asyncio.Semaphore
    ) -> None:
        try:
            async with limit:
                await publish(topics, document)
        except EstradeError as error:
            if document is None and self._rooms[topics.room].record.territory != topics.territory:
                self._left.add(topics)
            # publish_all_soon is called at the next connection
            level = logging.DEBUG if error.code == "broker-unavailable" else logging.WARNING
            log.log(level, "config of %s not published: %s [%s]", topics.room, error.message, error.code)

    async def save(self) -> None:
        """Write lessons and revisions that changed; raise StoreError, and keep what was not written."""
        async with self._saving:
            lessons, self._unsaved = self._unsaved, {}
            revs, self._unsaved_revs = self._unsaved_revs, {}
            try:
                await self._store.lessons.put(*lessons.values())
                await self._store.rooms.set_configs(revs)
            except BaseException:
                self._unsaved = lessons | self._unsaved  # what changed meanwhile is newer
                self._unsaved_revs = revs | self._unsaved_revs
                raise

    def _documents(self, rooms: Iterable[str]) -> dict[RoomTopics, ConfigDocument]:
        """Return the rooms' configs; ``rev`` grows when the content is another than the one last sent."""
        documents: dict[RoomTopics, ConfigDocument] = {}
        for room in rooms:
            known = self._rooms[room]
            config = RoomConfig(name=known.record.name, access=self.access(room))
            sha256 = hashlib.sha256(config.model_dump_json().encode()).hexdigest()
            if sha256 != known.sha256:
                known.rev, known.sha256 = known.rev + 1, sha256
                self._unsaved_revs[room] = (known.rev, sha256)
            documents[RoomTopics(known.record.territory, room)] = ConfigDocument(rev=known.rev, config=config)
        return documents
