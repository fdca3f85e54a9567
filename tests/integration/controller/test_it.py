"""IT's side: who gets in, what is seen, and what may be done from afar."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.accounts.grants import Permission
from controller.accounts.passwords import hash_password
from controller.accounts.sign_ins import IDLE, token_sha256
from controller.api.app import ROUTERS
from controller.api.security import permission_of
from controller.store.accounts import Account, Grant
from controller.store.events import EventRecord
from controller.store.rooms import RoomRecord
from controller.store.store import open_store
from protocol.errors import CommandError
from protocol.lesson import LessonState
from protocol.messages import CheckStatus, DeviceReport, DeviceRole, LessonEnded, LessonStarted, TimeAsked
from tests.broker import Broker
from tests.integration.controller.conftest import Watch
from tests.integration.controller.scripted import (
    ROOM,
    TERRITORY,
    RunningCentre,
    ScriptedRoom,
    Stream,
    centre_config,
    now,
    register,
    running_centre,
    scripted_room,
)
from tests.waiting import until

HASH = hash_password("correct horse")


@pytest.fixture
async def staffed(centre: RunningCentre) -> RunningCentre:
    """The centre with an administrator, a viewer, and nobody signed in."""
    async with open_store(centre.config.database) as store:
        await store.accounts.put(Account("admin", (Grant("admin"),), HASH), now=now())
        await store.accounts.put(Account("looker", (Grant("viewer"),), HASH), now=now())
    return centre


def test_every_route_declares_who_may_call_it() -> None:
    declared = {
        (method, getattr(route, "path", "")): permission_of(route)
        for router in ROUTERS
        for route in router.routes
        for method in getattr(route, "methods", ())
    }
    assert len(declared) > 20
    assert None not in declared.values()
    acting = {
        path: permission
        for (method, path), permission in declared.items()
        if method in ("POST", "PUT", "PATCH", "DELETE") and path.startswith("/api/v1/rooms")
    }
    assert set(acting.values()) == {Permission.LESSON, Permission.ROOM}
    public = {path for (_, path), permission in declared.items() if permission is Permission.PUBLIC}
    assert public == {
        "/", "/j/{link}", "/r/{share}", "/it", "/it/", "/static/{path:path}", "/healthz", "/readyz", "/api/v1/join",
        "/api/v1/oidc", "/api/v1/oidc/start", "/api/v1/oidc/back",
        "/api/v1/screen", "/api/v1/session", "/api/v1/shared/{share}", "/screen", "/whep/{room}",
        "/whep/{room}/{viewer}",
    }  # fmt: skip


@pytest.mark.parametrize(
    "path",
    ["/api/v1/rooms", f"/api/v1/rooms/{ROOM}", f"/api/v1/rooms/{ROOM}/events", "/api/v1/events", "/api/v1/session"],
)
async def test_nobody_sees_anything_before_signing_in(centre: RunningCentre, path: str) -> None:
    for cookie in ("", "estrade=forged"):
        answer = await centre.http.get(path, headers={"Cookie": cookie} if cookie else {})
        assert (answer.status_code, answer.json()["code"]) == (401, "access-refused")


OTHER = "salle-c1"


@pytest.mark.parametrize(
    ("grants", "allowed"),
    [
        ((Grant("viewer"),), {"read", "read-other", "list"}),
        ((Grant("admin"),), {"read", "read-other", "list", "stop", "seen"}),
        ((Grant("teacher", f"room:{ROOM}"),), {"read", "list", "stop"}),
        ((Grant("teacher", "school:college-1"),), {"read", "list", "stop"}),
        ((Grant("admin", f"territory:{TERRITORY}"),), {"read", "list", "stop", "seen"}),
        ((Grant("viewer", f"school:{TERRITORY}"),), {"list"}),
        ((Grant("viewer", f"room:{ROOM}"), Grant("admin", f"room:{OTHER}")), {"read", "read-other", "list"}),
        ((), set()),
    ],
)
async def test_an_account_may_what_its_grants_say_where_they_say_it(
    tmp_path: Path, broker: Broker, grants: tuple[Grant, ...], allowed: set[str]
) -> None:
    config = centre_config(tmp_path / "centre", broker)
    await register(config)
    async with open_store(config.database) as store:
        await store.rooms.put([RoomRecord(OTHER, "013", "Salle C1")], now=now())
        await store.accounts.put(Account("someone", grants, HASH), now=now())
        async with store.database._engine.begin() as connection:  # the registry is not built yet
            values = f"'college-1', '{TERRITORY}', 'Collège', 'Europe/Paris', 'press', 1, '', 0, '2026-11-23 13:02:03'"
            await connection.exec_driver_sql(
                "INSERT INTO schools (id, territory, name, zone, start, ring, contact, settings_rev, added_at)"
                f" VALUES ({values})"
            )
            await connection.exec_driver_sql("UPDATE rooms SET school = 'college-1' WHERE id = ?", (ROOM,))
    async with running_centre(config) as centre:
        await centre.sign_in("someone")
        asked = {
            "read": ("GET", f"/api/v1/rooms/{ROOM}", None),
            "read-other": ("GET", f"/api/v1/rooms/{OTHER}", None),
            "list": ("GET", "/api/v1/rooms", None),
            "stop": ("POST", f"/api/v1/rooms/{ROOM}/stop", None),
            "seen": ("POST", f"/api/v1/rooms/{ROOM}/seen", {"check": "on-air"}),
        }
        may = set()
        for name, (method, path, body) in asked.items():
            answer = await centre.http.request(method, path, json=body)
            if answer.status_code == 403:
                assert answer.json()["code"] == "forbidden"
            else:
                assert answer.status_code == 200 or answer.json()["code"] == "room-offline", answer.text
                may.add(name)
        assert may == allowed
        if "list" in allowed:
            listed = [room["id"] for room in (await centre.http.get("/api/v1/rooms")).json()["rooms"]]
            assert listed == [room for room, name in ((ROOM, "read"), (OTHER, "read-other")) if name in allowed]
        assert (await centre.http.get("/api/v1/session")).json()["name"] == "someone"
        missing = await centre.http.get("/api/v1/rooms/no-such-room")
        sees_all = any(grant.scope == "all" for grant in grants)
        assert missing.status_code == (404 if sees_all else 403), "who may not see all is not told"


async def test_the_cookie_is_out_of_reach_of_scripts_and_ends_with_signing_out(staffed: RunningCentre) -> None:
    answer = await staffed.http.post("/api/v1/session", json={"name": "admin", "password": "correct horse"})
    assert answer.json() == {"name": "admin", "role": "admin", "second_step": "off"}
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    token = staffed.http.cookies["estrade"]
    assert (await staffed.http.get("/api/v1/session")).json()["name"] == "admin"
    assert (await staffed.http.delete("/api/v1/session")).status_code == 204
    again = await staffed.http.get("/api/v1/session", headers={"Cookie": f"estrade={token}"})
    assert again.status_code == 401


async def test_no_token_stands_in_the_database(staffed: RunningCentre) -> None:
    await staffed.sign_in()
    token = staffed.http.cookies["estrade"]
    for file in staffed.config.state_dir.iterdir():
        assert token.encode() not in file.read_bytes(), file.name


async def test_guessing_a_password_is_throttled_and_says_the_same_of_any_name(staffed: RunningCentre) -> None:
    async def attempt(name: str, password: str) -> tuple[int, str]:
        answer = await staffed.http.post("/api/v1/session", json={"name": name, "password": password})
        return answer.status_code, answer.json().get("code", "ok")

    assert await attempt("nobody", "x") == (401, "sign-in-failed")
    answers = await asyncio.gather(*(attempt("admin", f"guess {n}") for n in range(12)))
    assert answers.count((401, "sign-in-failed")) == 5
    assert answers.count((429, "sign-in-throttled")) == 7
    assert await attempt("admin", "correct horse") == (429, "sign-in-throttled")
    assert await attempt("looker", "correct horse") == (200, "ok")


async def test_what_is_typed_as_a_name_is_noted_only_when_it_is_one(staffed: RunningCentre) -> None:
    for name in ("hunter2-typed-in-the-wrong-place", "admin"):
        await staffed.http.post("/api/v1/session", json={"name": name, "password": "wrong"})
    async with open_store(staffed.config.database) as store:
        assert [(r.actor, r.outcome) for r in await store.accounts.audit()] == [
            ("admin", "sign-in-failed"),
            ("(unknown)", "sign-in-failed"),
        ]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({}, 200),
    ],
)
async def test_another_sites_page_cannot_act(staffed: RunningCentre, headers: dict[str, str], status: int) -> None:
    body = {"name": "admin", "password": "correct horse"}
    answer = await staffed.http.post("/api/v1/session", json=body, headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "cross-site"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 422, "body-invalid"),
        (b'{"name": "admin"}', 422, "body-invalid"),
        (b'{"name": "admin", "password": "x", "more": 1}', 422, "body-invalid"),
        (b'{"name": "' + b"a" * 20_000 + b'", "password": "x"}', 413, "body-too-large"),
        (b"\xff\xff", 422, "body-invalid"),
    ],
)
async def test_a_body_of_another_form_is_refused_with_its_code(
    centre: RunningCentre, body: bytes, status: int, code: str
) -> None:
    answer = await centre.http.post("/api/v1/session", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_large_body_without_a_length_is_refused(centre: RunningCentre) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * 4096

    answer = await centre.http.post("/api/v1/join", content=pieces(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


async def test_a_method_that_is_not_taken_says_so(centre: RunningCentre) -> None:
    answer = await centre.http.put("/api/v1/join", json={})
    assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")


async def test_a_room_is_seen_as_it_reports_and_as_stale_when_it_is_gone(
    staffed: RunningCentre, broker: Broker, watch: Watch
) -> None:
    await staffed.sign_in()
    assert (await staffed.room())["link"] == "unknown"
    async with watch("/api/v1/events") as stream:
        first = json.loads((await stream.next("room"))["data"])
        assert (first["id"], first["state"]) == (ROOM, None)
        async with scripted_room(broker) as room:
            camera = DeviceReport(
                id="front",
                role=DeviceRole.CAMERA,
                name="Caméra",
                driver="simulated",
                is_open=True,
                status=CheckStatus.WARNING,
                since=now(),
            )
            await room.say_state(LessonState.LIVE, "l-1", devices=(camera,), viewers=3)
            await room.say_health()
            view = await _room_until(stream, lambda v: v["state"] == "live" and v["cpu_percent"] is not None)
            assert (view["link"], view["status"], view["viewers"]) == ("online", "warning", 3)
            assert view["is_stale"] is False
            assert view["reported_age_s"] < 5
        view = await _room_until(stream, lambda v: v["link"] == "off")
        assert (view["is_stale"], view["state"]) == (True, "live")


async def _room_until(stream: Stream, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    while True:
        view: dict[str, Any] = json.loads((await stream.next("room"))["data"])
        if is_so(view):
            return view


async def test_live_events_go_on_where_they_were_left(staffed: RunningCentre, room: ScriptedRoom, watch: Watch) -> None:
    await staffed.sign_in()
    async with watch("/api/v1/events") as stream:
        await room.say_fact("e-1", LessonStarted(lesson="l-1", origin="panel"))
        assert json.loads((await stream.next("event"))["data"])["id"] == "e-1"
        cursor = (await stream.next("cursor"))["id"]
    await room.say_fact("e-2", LessonEnded(lesson="l-1", reason="stop", duration_s=1, viewers_most=0))
    await until(lambda: room.commands_named("event.ack")[1:], "e-2 is stored")
    async with watch("/api/v1/events", **{"Last-Event-ID": cursor}) as stream:
        assert json.loads((await stream.next("event"))["data"])["id"] == "e-2"
    before = (await staffed.http.get("/api/v1/rooms")).json()["cursor"]
    async with watch(f"/api/v1/events?since={before}") as stream:
        await room.say_state(LessonState.LIVE, "l-7")
        event = await stream.next()
        assert (event["event"], json.loads(event["data"])["lesson"]) == ("room", "l-7")


async def test_a_page_that_missed_many_facts_gets_every_one_and_once(
    staffed: RunningCentre, room: ScriptedRoom, watch: Watch
) -> None:
    await staffed.sign_in()
    cursor = (await staffed.http.get("/api/v1/rooms")).json()["cursor"]
    missed = [EventRecord(f"m-{n}", ROOM, "lesson.started", now(), {"lesson": "l-1"}) for n in range(1_201)]
    async with open_store(staffed.config.database) as store:
        await store.events.add(missed, now=now())
    async with watch("/api/v1/events", **{"Last-Event-ID": cursor}) as stream:
        await room.say_fact("e-1", LessonStarted(lesson="l-2", origin="panel"))
        told = [json.loads((await stream.next("event"))["data"])["id"] for _ in range(1_202)]
        cursor = (await stream.next("cursor"))["id"]
    assert told == [fact.id for fact in missed] + ["e-1"]
    async with watch("/api/v1/events", **{"Last-Event-ID": cursor}) as stream:
        await room.say_fact("e-2", LessonStarted(lesson="l-3", origin="panel"))
        assert json.loads((await stream.next("event"))["data"])["id"] == "e-2"


async def test_signing_out_ends_the_live_stream_at_once_and_no_other(staffed: RunningCentre, watch: Watch) -> None:
    await staffed.sign_in("looker")
    other = {"Cookie": f"estrade={staffed.http.cookies['estrade']}"}
    staffed.http.cookies.clear()
    await staffed.sign_in()
    async with watch("/api/v1/events") as mine, watch("/api/v1/events", **other) as others:
        await mine.next("room")
        await others.next("room")
        assert (await staffed.http.delete("/api/v1/session")).status_code == 204
        with pytest.raises(EOFError):
            await mine.next("room", deadline_s=2)
        async with open_store(staffed.config.database) as store:
            await store.rooms.put([RoomRecord("0750001a-b13", TERRITORY, "Salle B13")], now=now())
        os.kill(os.getpid(), signal.SIGHUP)
        assert json.loads((await others.next("room"))["data"])["id"] == "0750001a-b13"


@pytest.mark.parametrize("how", ["a new password", "hours without a request"])
async def test_a_live_stream_ends_with_the_sign_in_that_opened_it(tmp_path: Path, broker: Broker, how: str) -> None:
    config = centre_config(tmp_path / "centre", broker)
    await register(config)
    async with running_centre(config, sign_in_check_s=0.2) as centre, open_store(config.database) as store:
        await store.accounts.put(Account("admin", (Grant("admin"),), HASH), now=now())
        await centre.sign_in()
        async with centre.http.stream("GET", "/api/v1/events") as response:
            stream = Stream(response)
            await stream.next("room")
            with pytest.raises(TimeoutError):
                await stream.next("room", deadline_s=1)  # several checks went by
        async with centre.http.stream("GET", "/api/v1/events") as response:
            stream = Stream(response)
            await stream.next("room")
            if how == "a new password":
                await store.accounts.put(Account("admin", (Grant("admin"),), HASH), now=now())
            else:
                token = token_sha256(centre.http.cookies["estrade"])
                await store.accounts.seen(token, now=now() - IDLE - timedelta(seconds=1))
            with pytest.raises(EOFError):
                await stream.next("room", deadline_s=3)


async def test_a_live_stream_tells_of_the_rooms_that_its_account_may_see(tmp_path: Path, broker: Broker) -> None:
    config = centre_config(tmp_path / "centre", broker)
    await register(config)
    async with open_store(config.database) as store:
        await store.rooms.put([RoomRecord(OTHER, "013", "Salle C1")], now=now())
        await store.accounts.put(Account("someone", (Grant("viewer", f"room:{OTHER}"),), HASH), now=now())
        async with running_centre(config, sign_in_check_s=0.2) as centre:
            await centre.sign_in("someone")
            cursor = (await centre.http.get("/api/v1/rooms")).json()["cursor"]
            missed = [
                EventRecord(f"e-{room}", room, "lesson.started", now(), {"lesson": "l-1"}) for room in (ROOM, OTHER)
            ]
            await store.events.add(missed, now=now())
            async with (
                scripted_room(broker) as unseen,
                scripted_room(broker, OTHER, "013") as seen,
                centre.http.stream("GET", f"/api/v1/events?since={cursor}") as response,
            ):
                stream = Stream(response)
                assert json.loads((await stream.next("event"))["data"])["room"] == OTHER
                for n, room in enumerate((unseen, seen)):
                    await room.say_state(LessonState.LIVE, f"l-{n}")
                    await room.say_fact(f"f-{n}", LessonStarted(lesson=f"l-{n}", origin="panel"))
                told = []
                while ("event", "f-1") not in told or ("room", "l-1") not in told:
                    one = await stream.next()
                    data = json.loads(one["data"])
                    if one["event"] != "cursor":
                        assert data.get("room", data["id"]) == OTHER
                        told.append((one["event"], data["id"] if one["event"] == "event" else data["lesson"]))
                async with store.database._engine.begin() as connection:
                    await connection.exec_driver_sql("DELETE FROM grants WHERE user = 'someone'")
                with pytest.raises(EOFError):
                    await stream.next("never", deadline_s=5)


async def test_stop_mute_and_propose_reach_the_room_and_are_audited(staffed: RunningCentre, room: ScriptedRoom) -> None:
    await staffed.sign_in()
    await until(lambda: _link_is(staffed, "online"), "the room is online")
    assert (await staffed.http.post(f"/api/v1/rooms/{ROOM}/stop")).json() == {"ok": True}
    proposed = (await staffed.http.post(f"/api/v1/rooms/{ROOM}/propose")).json()
    assert (await staffed.http.post(f"/api/v1/rooms/{ROOM}/mute")).json() == {"ok": True}
    assert (await staffed.http.post(f"/api/v1/rooms/{ROOM}/seen", json={"check": "on-air"})).json() == {"ok": True}
    assert [c.args["actor"] for c in room.commands_named("lesson.stop")] == ["admin"]
    assert [c.args for c in room.commands_named("check.seen")] == [{"check": "on-air", "actor": "admin"}]
    [mute] = room.commands_named("lesson.mute")
    assert mute.args == {"actor": "admin", "camera": None, "board": None, "sound": False}
    [proposal] = room.commands_named("lesson.propose")
    assert proposal.args["actor"] == "admin"
    assert proposed == {"ok": True, "proposal": proposal.args["proposal"]}

    def refuse(command: object) -> dict[str, object]:
        raise CommandError("no lesson runs", code="lesson-transition")

    room.answers["lesson.stop"] = refuse
    answer = await staffed.http.post(f"/api/v1/rooms/{ROOM}/stop")
    assert (answer.status_code, answer.json()["code"]) == (409, "lesson-transition")
    async with open_store(staffed.config.database) as store:
        noted = [(r.actor, r.act, r.subject, r.outcome) for r in await store.accounts.audit()]
    assert noted[:6] == [
        ("admin", "lesson.stop", ROOM, "lesson-transition"),
        ("admin", "check.seen", ROOM, "ok"),
        ("admin", "lesson.mute", ROOM, "ok"),
        ("admin", "lesson.propose", ROOM, "ok"),
        ("admin", "lesson.stop", ROOM, "ok"),
        ("admin", "sign-in", "", "ok"),
    ]


async def _link_is(centre: RunningCentre, link: str) -> bool:
    return bool((await centre.room())["link"] == link)


async def test_a_viewer_may_look_and_not_act(staffed: RunningCentre, room: ScriptedRoom) -> None:
    await staffed.sign_in("looker")
    assert (await staffed.http.get("/api/v1/rooms")).status_code == 200
    for act in ("stop", "mute", "propose"):
        answer = await staffed.http.post(f"/api/v1/rooms/{ROOM}/{act}")
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert not room.commands


async def test_acts_on_a_room_that_is_not_there_say_why(staffed: RunningCentre, broker: Broker) -> None:
    await staffed.sign_in()
    answer = await staffed.http.post("/api/v1/rooms/no-such-room/stop")
    assert (answer.status_code, answer.json()["code"]) == (404, "room-not-found")
    async with scripted_room(broker) as room:
        await room.say_state(LessonState.IDLE)
    await until(lambda: _link_is(staffed, "off"), "the room is off")
    answer = await staffed.http.post(f"/api/v1/rooms/{ROOM}/stop")
    assert (answer.status_code, answer.json()["code"]) == (409, "room-offline")


async def test_events_are_stored_once_and_acknowledged_each_time(staffed: RunningCentre, room: ScriptedRoom) -> None:
    await staffed.sign_in()
    for _ in range(2):
        await room.say_fact("e-1", LessonStarted(lesson="l-1", origin="panel"))
        await until(lambda: room.commands_named("event.ack"), "it is acknowledged")
        assert room.commands_named("event.ack")[0].args["ids"] == ["e-1"]
        room.commands.clear()
    events = (await staffed.http.get(f"/api/v1/rooms/{ROOM}/events")).json()["events"]
    assert [(e["id"], e["kind"], e["fact"]["lesson"]) for e in events] == [("e-1", "lesson.started", "l-1")]


async def test_an_event_of_a_newer_agent_is_stored_all_the_same(staffed: RunningCentre, room: ScriptedRoom) -> None:
    await staffed.sign_in()
    payload = {"id": "e-9", "at": now().isoformat(), "fact": {"kind": "kettle.boiled", "cups": 3}}
    await room.say(room.topics.event("kettle.boiled"), json.dumps(payload).encode())
    await until(lambda: room.commands_named("event.ack"), "it is acknowledged")
    [event] = (await staffed.http.get(f"/api/v1/rooms/{ROOM}/events")).json()["events"]
    assert (event["kind"], event["fact"]["cups"]) == ("kettle.boiled", 3)


async def test_nonsense_from_a_room_stops_nothing(staffed: RunningCentre, room: ScriptedRoom) -> None:
    await staffed.sign_in()
    for topic in (room.topics.status, room.topics.state, room.topics.event("lesson.started"), room.topics.req("time")):
        await room.say(topic, b'{"no": "such thing"')
    await room.say_fact("e-1", LessonStarted(lesson="l-1", origin="panel"))
    await until(lambda: room.commands_named("event.ack"), "the next event is acknowledged")
    text = (await staffed.http.get("/metrics", headers={"Authorization": "Bearer metrics-token"})).text
    assert 'estrade_messages_dropped_total{kind="RoomState"} 1.0' in text


async def test_a_room_is_told_the_centres_time(centre: RunningCentre, room: ScriptedRoom) -> None:
    result = await room.link.call(
        room.topics.req("time"), TimeAsked(), reply_topic=room.topics.reply("time"), timeout_s=5
    )
    assert abs(float(result["now"]) - now().timestamp()) < 5


async def test_metrics_want_their_token_and_name_no_room(centre: RunningCentre, room: ScriptedRoom) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        answer = await centre.http.get("/metrics", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "token-invalid")

    async def text() -> str:
        return (await centre.http.get("/metrics", headers={"Authorization": "Bearer metrics-token"})).text

    async def is_counted() -> bool:
        return 'estrade_rooms{link="online"} 1.0' in await text()

    await until(is_counted, "the room is counted")
    page = await text()
    assert "estrade_broker_connected 1.0" in page
    assert ROOM not in page


async def test_ready_means_broker_and_database(centre: RunningCentre, broker: Broker) -> None:
    assert (await centre.http.get("/healthz")).text == "ok\n"
    assert (await centre.http.get("/readyz")).json() == {"broker": True, "database": True}
    broker.kill()

    async def is_unready() -> bool:
        answer = await centre.http.get("/readyz")
        return answer.status_code == 503 and answer.json() == {"broker": False, "database": True}

    await until(is_unready, "it says that the broker is away")
    assert (await centre.http.get("/healthz")).status_code == 200
    broker.start()
    await until(lambda: _is_ready(centre), "and that it is back")


async def _is_ready(centre: RunningCentre) -> bool:
    return (await centre.http.get("/readyz")).status_code == 200
