"""The store on both engines: SQLite and a real PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from controller.store.accounts import Account, AuditRecord, Grant
from controller.store.database import open_database
from controller.store.events import EventRecord
from controller.store.lessons import LessonRecord, LinkRecord
from controller.store.rooms import ZONE, LastReport, RoomRecord
from controller.store.store import Store, open_store
from controller.store.tables.rooms import Room, School
from controller.store.tokens import TokenRecord
from protocol.errors import ConfigError
from protocol.lesson import LessonState
from protocol.messages import Health, RoomState
from tests.integration.controller.store.conftest import AT


def _event(event_id: str, kind: str = "lesson.started", seconds: int = 0) -> EventRecord:
    return EventRecord(event_id, "r-1", kind, AT + timedelta(seconds=seconds), {"lesson": "l-1", "mot": "été"})


async def test_opening_again_keeps_everything(database_url: str) -> None:
    for _ in range(2):
        async with open_store(database_url) as store:
            await store.rooms.put([RoomRecord("r-1", "075", "Salle B12")], now=AT)
    async with open_store(database_url) as store:
        assert [room.id for room in await store.rooms.all()] == ["r-1"]


async def test_several_that_start_together_migrate_one_after_the_other(database_url: str) -> None:
    async def start() -> int:
        async with open_store(database_url) as store:
            return len(await store.rooms.all())

    found = await asyncio.gather(*(asyncio.to_thread(asyncio.run, start()) for _ in range(4)))
    assert found == [0, 0, 0, 0]


async def test_an_event_is_stored_once_however_often_it_comes(store: Store) -> None:
    assert [event.id for event in await store.events.add([_event("e-1"), _event("e-1")], now=AT)] == ["e-1"]
    assert await store.events.add([_event("e-1", "changed")], now=AT) == []
    [stored] = await store.events.of_room("r-1")
    assert (stored.kind, stored.at, stored.fact) == ("lesson.started", AT, {"lesson": "l-1", "mot": "été"})


async def test_events_go_on_from_where_a_page_was(store: Store) -> None:
    await store.events.add([_event(f"e-{n}", seconds=-n) for n in range(5)], now=AT)
    everything = await store.events.after(0)
    assert [event.id for event in everything] == [f"e-{n}" for n in range(5)]
    assert [event.id for event in await store.events.after(everything[2].seq)] == ["e-3", "e-4"]
    assert await store.events.newest_seq() == everything[-1].seq
    assert [event.id for event in await store.events.of_room("r-1", most=2)] == ["e-0", "e-1"]


async def test_lessons_and_links_come_back_as_they_were(store: Store) -> None:
    ended = LessonRecord("l-1", "r-1", AT, 2, "x-9", AT, AT + timedelta(hours=1))
    present = LessonRecord("l-2", "r-1", AT + timedelta(hours=1))
    await store.lessons.put(ended, present)
    await store.lessons.put(present)
    await store.lessons.add_links([LinkRecord("k-1", "r-1", AT)])
    assert await store.lessons.since(AT) == [ended, present]
    assert await store.lessons.since(AT + timedelta(hours=2)) == [present]
    assert await store.lessons.links() == [LinkRecord("k-1", "r-1", AT)]
    with pytest.raises(IntegrityError):
        await store.lessons.put(LessonRecord("l-3", "no-such-room", AT))
    assert await store.lessons.since(AT, "r-1") == [ended, present]


async def test_what_a_room_was_sent_is_remembered(store: Store) -> None:
    await store.rooms.put([RoomRecord("r-2", "075", "x")], now=AT)
    await store.rooms.set_configs({"r-1": (3, "a" * 64), "r-2": (1, "b" * 64)})
    await store.rooms.put([RoomRecord("r-1", "075", "Renamed")], now=AT)
    assert await store.rooms.get("r-1") == RoomRecord("r-1", "075", "Renamed", 3, "a" * 64, "075")
    assert await store.rooms.get("r-2") == RoomRecord("r-2", "075", "x", 1, "b" * 64, "075")
    await store.rooms.set_configs({})


async def test_a_room_is_in_a_school_of_its_territory(store: Store) -> None:
    """The school that its territory begins with, until somebody says another; which a move leaves."""
    await store.rooms.put([RoomRecord("r-2", "013", "x"), RoomRecord("r-3", "013", "y")], now=AT)

    async def school(db_session: AsyncSession) -> None:
        db_session.add(School(id="college-1", territory="013", name="Collège", zone=ZONE, added_at=AT))
        await db_session.flush()
        await db_session.execute(update(Room).where(Room.id == "r-3").values(school="college-1"))

    await store.database.write(school)
    await store.rooms.put([RoomRecord("r-3", "013", "renamed")], now=AT)
    assert {room.id: room.school for room in await store.rooms.all()} == {
        "r-1": "075", "r-2": "013", "r-3": "college-1"
    }  # fmt: skip
    await store.rooms.put([RoomRecord("r-3", "075", "moved")], now=AT)
    moved = await store.rooms.get("r-3")
    assert moved == RoomRecord("r-3", "075", "moved", school="075")


async def test_last_reports_are_one_row_each(store: Store) -> None:
    state = RoomState(sid="s", state=LessonState.IDLE, at=AT)
    health = Health(sid="s", seq=1, uptime_s=1, cpu_percent=2, memory_mb=3, viewers=0)
    await store.rooms.put_last([LastReport("r-1", AT, state, None, "0.1.0")])
    await store.rooms.put_last([LastReport("r-1", AT + timedelta(seconds=9), None, health, "0.1.1")])
    assert await store.rooms.all_last() == [LastReport("r-1", AT + timedelta(seconds=9), None, health, "0.1.1")]
    await store.rooms.put_last([])


async def test_a_new_password_signs_every_browser_out(store: Store) -> None:
    await store.accounts.put(Account("admin", (Grant("admin"),), "hash-1"), now=AT)
    await store.accounts.sign_in("admin", "f" * 64, now=AT)
    found = await store.accounts.signed_in("f" * 64)
    assert found is not None
    assert (found.name, found.grants, found.created_at) == ("admin", (Grant("admin"),), AT)
    await store.accounts.put(Account("admin", (Grant("viewer"),), "hash-2"), now=AT)
    assert await store.accounts.signed_in("f" * 64) is None
    account = await store.accounts.get("admin")
    assert account is not None
    assert account.grants == (Grant("viewer"),)


async def test_tokens_that_ran_out_are_forgotten(store: Store) -> None:
    await store.accounts.put(Account("admin", (Grant("admin"),), "hash"), now=AT)
    await store.accounts.sign_in("admin", "old", now=AT - timedelta(hours=13))
    await store.accounts.sign_in("admin", "idle", now=AT - timedelta(hours=9))
    await store.accounts.sign_in("admin", "used", now=AT - timedelta(hours=9))
    await store.accounts.seen("used", now=AT)
    await store.accounts.forget_old(created_before=AT - timedelta(hours=12), seen_before=AT - timedelta(hours=8))
    known = [token for token in ("old", "idle", "used") if await store.accounts.signed_in(token)]
    assert known == ["used"]
    await store.accounts.sign_out("used")
    assert await store.accounts.signed_in("used") is None


async def test_a_second_step_gives_each_code_once(store: Store) -> None:
    steps = store.second_steps
    await store.accounts.put(Account("admin", (Grant("admin"),), "hash"), now=AT)
    assert await steps.begin("admin", b"sealed", 7, ["c1", "c2"])
    assert not await steps.begin("admin", b"other", 9, ["c3"])
    assert not await steps.begin("nobody", b"other", 9, [])
    assert await steps.secret("admin") == b"sealed"
    assert [await steps.take_step("admin", step) for step in (7, 8, 8, 6, 9)] == [False, True, False, False, True]
    taken = [await steps.take_recovery_code("admin", code, now=AT) for code in ("c1", "c1", "c3", "c2")]
    assert taken == [True, False, False, True]
    await store.accounts.sign_in("admin", "f" * 64, now=AT)
    record = await store.accounts.signed_in("f" * 64)
    assert record is not None
    assert (record.is_local, record.has_second_step) == (True, True)
    assert await steps.end("admin")
    assert not await steps.end("admin")
    assert await store.accounts.signed_in("f" * 64) is None
    assert await steps.begin("admin", b"new", 1, ["c1"]), "codes of before are gone"
    assert await steps.recovery_codes_left("admin") == 1


async def test_an_account_of_a_provider_is_known_by_its_subject(store: Store) -> None:
    accounts = store.accounts
    await accounts.put(Account("admin", (Grant("admin"),), "hash"), now=AT)
    assert await accounts.put_of_provider("admin", "s-1", (Grant("viewer"),), now=AT) is None
    assert await accounts.put_of_provider("anne", "s-1", (), now=AT) is None
    assert await accounts.put_of_provider("anne", "s-1", (Grant("viewer"),), now=AT) == "anne"
    assert await accounts.put_of_provider("anne b.", "s-1", (Grant("admin", "room:r-1"),), now=AT) == "anne"
    assert await accounts.put_of_provider("anne", "s-2", (Grant("viewer"),), now=AT) is None
    anne = await accounts.get("anne")
    assert anne == Account("anne", (Grant("admin", "room:r-1"),), None)
    await accounts.sign_in("anne", "f" * 64, now=AT)
    record = await accounts.signed_in("f" * 64)
    assert record is not None
    assert not record.is_local
    await accounts.put(Account("anne", (Grant("admin"),), "hash"), now=AT)
    await accounts.sign_in("anne", "e" * 64, now=AT)
    record = await accounts.signed_in("e" * 64)
    assert record is not None
    assert record.is_local, "with a password it is asked for what accounts with a password are asked for"
    assert await accounts.put_of_provider("anne", "s-1", (Grant("viewer"),), now=AT) is None


async def test_tokens_of_programs_come_back_as_they_were(store: Store) -> None:
    await store.accounts.put(Account("admin", (Grant("admin"),), "hash"), now=AT)
    made = TokenRecord("ab" * 32, "Grafana", "admin", ("lesson", "read"), "all", AT, AT + timedelta(days=9))
    await store.tokens.add(made)
    assert await store.tokens.get("ab" * 32) == (made, (Grant("admin"),))
    assert await store.tokens.get("cd" * 32) is None
    await store.tokens.used("ab" * 32, now=AT)
    for wrong in ("", "ab", "ab" * 32, "%" * 16, "_" * 16):
        assert await store.tokens.revoke(wrong, now=AT) is None
    revoked = await store.tokens.revoke(made.id, now=AT)
    assert revoked == replace(made, used_at=AT, revoked_at=AT)
    assert await store.tokens.revoke(made.id, now=AT + timedelta(days=1)) == revoked
    assert await store.tokens.forget(AT, 10) == 0
    assert await store.tokens.forget(AT + timedelta(seconds=1), 10) == 1


async def test_the_audit_keeps_its_order(store: Store) -> None:
    for n in range(3):
        await store.accounts.note(AuditRecord(AT, "admin", f"act-{n}", "r-1", "ok"))
    assert [record.act for record in await store.accounts.audit(most=2)] == ["act-2", "act-1"]


async def test_what_is_old_is_forgotten_a_chunk_at_a_time_and_the_newest_fact_never(store: Store) -> None:
    old, now_ = AT - timedelta(days=40), AT
    await store.events.add([_event(f"v-{n}", "viewer.joined") for n in range(7)], now=old)
    await store.events.add([_event("e-1"), _event("e-2", "viewership.counted")], now=old)
    await store.events.add([_event("v-8", "viewer.left")], now=now_)
    before = AT - timedelta(days=30)
    assert [await store.events.forget(before, 5, of_viewers=True) for _ in range(3)] == [5, 2, 0]
    assert {event.id for event in await store.events.of_room("r-1")} == {"e-1", "e-2", "v-8"}
    assert await store.events.forget(before, 5, of_viewers=False) == 2
    assert await store.events.forget(AT + timedelta(days=1), 5, of_viewers=True) == 0
    [newest] = await store.events.of_room("r-1")
    await store.events.add([_event("e-9")], now=now_)
    assert await store.events.newest_seq() > newest.seq

    ended = LessonRecord("l-1", "r-1", old, started_at=old, ended_at=old)
    await store.lessons.put(ended, LessonRecord("l-2", "r-1", old, started_at=old), LessonRecord("l-3", "r-1", old))
    assert [await store.lessons.forget(before, 5) for _ in range(2)] == [1, 0]
    assert [lesson.id for lesson in await store.lessons.since(old)] == ["l-2", "l-3"]

    await store.accounts.note(
        AuditRecord(old, "admin", "sign-in", "", "ok"), AuditRecord(AT, "it", "sign-in", "", "ok")
    )
    assert [await store.accounts.forget_audit(before, 5) for _ in range(2)] == [1, 0]
    assert [record.actor for record in await store.accounts.audit()] == ["it"]


async def test_a_write_that_fails_does_not_stop_the_next_and_one_given_up_is_done(store: Store) -> None:
    writes = [asyncio.create_task(store.rooms.put([RoomRecord(f"r-{n}", "075", "x")], now=AT)) for n in range(2, 30)]
    bad = asyncio.create_task(store.lessons.add_links([LinkRecord("k-1", "nowhere", AT)]))
    await asyncio.sleep(0)
    writes[-1].cancel()
    with pytest.raises(IntegrityError):
        await bad
    await asyncio.wait(writes)
    await store.rooms.put([RoomRecord("r-99", "075", "x")], now=AT)
    assert len(await store.rooms.all()) == 30


async def test_who_reads_when_the_database_is_closed_gives_its_connection_back(database_url: str) -> None:
    """Else that stays open until it is collected, whenever that is."""
    begun, leave, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def read() -> None:
        async with database.read() as db_session:
            await db_session.execute(text("SELECT 1"))
            begun.set()
            await leave.wait()
            await db_session.execute(text("SELECT 1"))
        ended.set()

    async with open_database(database_url) as database:
        reading = asyncio.create_task(read())
        await begun.wait()
        asyncio.get_running_loop().call_later(0.1, leave.set)
    assert ended.is_set()
    await reading


async def test_a_database_that_cannot_be_opened_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for address in (
        f"sqlite+aiosqlite:///{tmp_path / 'file' / 'x.db'}",
        f"postgresql+asyncpg://me:hunter2@/x?host={tmp_path}",
    ):
        with pytest.raises(ConfigError) as caught:
            async with open_store(address):
                pass
        assert caught.value.code == "database-unusable"
        assert "hunter2" not in caught.value.message
        assert "\n" not in caught.value.message
