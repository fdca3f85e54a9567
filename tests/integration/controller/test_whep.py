"""From code to answer: a pupil's way through a real centre and a real broker to a room that speaks the protocol."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from controller.keys import load_keys
from controller.sdp import MOST_SDP_BYTES
from controller.tickets import Tickets
from protocol.errors import CommandError
from protocol.lesson import LessonState
from protocol.messages import Command, ViewerRemoved
from tests.broker import Broker
from tests.integration.controller.conftest import Watch
from tests.integration.controller.scripted import (
    ANSWER,
    FRAGMENT,
    OFFER,
    ROOM,
    SDP,
    TRICKLE,
    RunningCentre,
    ScriptedRoom,
    scripted_room,
)
from tests.waiting import until


def bearer(joined: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {joined['token']}"}


async def _open(centre: RunningCentre, room: ScriptedRoom) -> dict[str, Any]:
    """Start the lesson and join it by code."""
    await room.start()
    joined = await centre.join(code=(await room.access()).code)
    await until(lambda: _phase_is(centre, joined, "open"), "the centre knows that the lesson runs")
    return joined


async def _phase_is(centre: RunningCentre, joined: dict[str, Any], phase: str) -> bool:
    answer = await centre.http.get(joined["events"].removesuffix("/events"), headers=bearer(joined))
    return bool(answer.json()["phase"] == phase)


async def _offer(centre: RunningCentre, joined: dict[str, Any], body: bytes | str = OFFER, **headers: str) -> Any:
    return await centre.http.post(joined["whep"], content=body, headers=SDP | bearer(joined) | headers)


def code_of(answer: Any) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["detail"]
    return str(problem["code"])


async def test_a_pupil_who_waits_is_told_to_connect_and_is_answered(
    centre: RunningCentre, room: ScriptedRoom, watch: Watch
) -> None:
    access = await room.access()
    joined = await centre.join(code=access.code.lower().replace("-", " "))
    assert joined["view"]["phase"] == "waiting"
    async with watch(joined["events"], **bearer(joined)) as stream:
        assert json.loads((await stream.next("lesson"))["data"])["phase"] == "waiting"
        await room.say_state(LessonState.PREPARING, access.lesson)
        view = json.loads((await stream.next("lesson"))["data"])
        assert (view["phase"], view["state"], view["room_name"]) == ("open", "preparing", "Salle B12")
        answer = await _offer(centre, joined)
        assert answer.status_code == 201
        assert answer.text == ANSWER
        assert answer.headers["content-type"] == "application/sdp"
        assert answer.headers["location"].startswith(f"/whep/{ROOM}/")
        assert answer.headers["etag"]
        [command] = room.commands_named("rtc.offer")
        assert command.args["sdp"] == OFFER
        assert answer.headers["location"].endswith(command.args["viewer"])


async def test_candidates_and_leaving_reach_the_room(centre: RunningCentre, room: ScriptedRoom) -> None:
    joined = await _open(centre, room)
    location = (await _offer(centre, joined)).headers["location"]
    viewer = location.rsplit("/", 1)[1]
    patched = await centre.http.patch(location, content=FRAGMENT, headers=TRICKLE | bearer(joined))
    assert patched.status_code == 204
    [command] = room.commands_named("rtc.candidate")
    assert command.args["viewer"] == viewer
    assert command.args["mid"] == "0"
    assert command.args["is_last"] is True
    assert command.args["candidates"] == [
        "candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host generation 0 ufrag abcd network-id 1"
    ]
    assert (await centre.http.delete(location, headers=bearer(joined))).status_code == 200
    assert [c.args["viewer"] for c in room.commands_named("rtc.close")] == [viewer]


async def test_only_the_viewers_own_ticket_may_touch_it(centre: RunningCentre, room: ScriptedRoom) -> None:
    mine = await _open(centre, room)
    other = await centre.join(code=(await room.access()).code)
    location = (await _offer(centre, mine)).headers["location"]
    for answer in (
        await centre.http.delete(location, headers=bearer(other)),
        await centre.http.patch(location, content=FRAGMENT, headers=TRICKLE | bearer(other)),
    ):
        assert (answer.status_code, code_of(answer)) == (404, "viewer-not-found")
    assert not room.commands_named("rtc.close")
    assert not room.commands_named("rtc.candidate")


async def test_a_foreign_player_needs_nothing_but_an_address(centre: RunningCentre, room: ScriptedRoom) -> None:
    await _open(centre, room)
    secret = (await room.access()).link.rsplit("/", 1)[1]
    address = f"/whep/{ROOM}?link={secret}"
    preflight = await centre.http.options(f"/whep/{ROOM}", headers={"Origin": "https://player.example"})
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert preflight.headers["accept-post"] == "application/sdp"
    assert (await centre.http.head(f"/whep/{ROOM}")).headers["content-type"].startswith("application/sdp")
    answer = await centre.http.post(
        address, content=OFFER, headers=SDP | {"Origin": "https://player.example", "Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 201
    assert "Location" in answer.headers["access-control-expose-headers"]
    assert (await centre.http.delete(answer.headers["location"])).status_code == 200
    wrong = await centre.http.post(f"/whep/{ROOM}?link=wrong", content=OFFER, headers=SDP)
    assert (wrong.status_code, code_of(wrong)) == (404, "link-wrong")


async def test_before_start_the_offer_is_early_and_after_the_end_too_late(
    centre: RunningCentre, room: ScriptedRoom
) -> None:
    early = await centre.join(code=(await room.access()).code)
    answer = await _offer(centre, early)
    assert (answer.status_code, code_of(answer)) == (409, "lesson-not-started")
    joined = await _open(centre, room)
    old = await room.access()
    await room.say_state(LessonState.ENDING, old.lesson)
    await room.say_state(LessonState.IDLE)
    await until(lambda: _phase_is(centre, joined, "ended"), "the lesson is over")
    answer = await _offer(centre, joined)
    assert (answer.status_code, code_of(answer)) == (410, "lesson-ended")
    late = await centre.http.post("/api/v1/join", json={"code": old.code})
    assert (late.status_code, code_of(late)) == (410, "lesson-ended")
    await until(lambda: room.configs[-1].rev == room.configs[0].rev + 1, "the next lesson has a config")
    fresh = await room.access()
    assert fresh.code != old.code
    assert fresh.link == old.link
    assert (await centre.join(code=(await room.access()).code))["view"]["phase"] == "waiting"


async def test_a_room_that_is_off_is_refused_at_once(centre: RunningCentre, broker: Broker) -> None:
    async with scripted_room(broker) as room:
        await room.say_state(LessonState.IDLE)
        joined = await _open(centre, room)
        await room.say_state(LessonState.LIVE, (await room.access()).lesson)
    began = time.monotonic()
    answer = await until(lambda: _refused(centre, joined), "the centre knows that the room left")
    assert (answer.status_code, code_of(answer)) == (409, "room-offline")
    assert time.monotonic() - began < 5


async def _refused(centre: RunningCentre, joined: dict[str, Any]) -> Any:
    answer = await _offer(centre, joined)
    return answer if answer.status_code != 201 and code_of(answer) != "room-timeout" else None


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("this is not SDP", 400, "offer-invalid"),
        (b"\xff\xfe\x00", 400, "offer-invalid"),
        ("", 400, "offer-invalid"),
        ("v=0\r\ns=-\r\n", 400, "offer-invalid"),
        (OFFER.replace("a=fingerprint", "a=nothing"), 400, "offer-invalid"),
        ("v=0\r\n" + "a=x\r\n" * 20_000, 413, "offer-too-large"),
        ("x" * 1_000_000, 413, "offer-too-large"),
    ],
)
async def test_an_offer_that_is_none_is_refused_here_and_never_reaches_the_room(
    centre: RunningCentre, room: ScriptedRoom, body: bytes | str, status: int, code: str
) -> None:
    joined = await _open(centre, room)
    answer = await _offer(centre, joined, body)
    assert (answer.status_code, code_of(answer)) == (status, code)
    assert not room.commands_named("rtc.offer")
    assert (await _offer(centre, joined)).status_code == 201


async def test_an_offer_that_grows_on_its_way_costs_nobody_the_broker(
    centre: RunningCentre, room: ScriptedRoom, broker: Broker
) -> None:
    """A control character is one byte here and six in JSON: 65 kB of them were more than the broker takes."""
    joined = await _open(centre, room)
    filler = MOST_SDP_BYTES - len(OFFER) - len("a=x:\r\n")
    answer = await _offer(centre, joined, f"{OFFER}a=x:{filler * chr(1)}\r\n")
    assert (answer.status_code, code_of(answer)) == (400, "offer-invalid")
    assert not room.commands_named("rtc.offer")
    answer = await _offer(centre, joined, OFFER + "a=x:" + filler * '"' + "\r\n")  # two bytes each, and no more
    assert answer.status_code == 201
    assert "too large" not in broker.log_text


async def test_a_megabyte_without_a_length_is_refused_before_it_is_read(
    centre: RunningCentre, room: ScriptedRoom
) -> None:
    joined = await _open(centre, room)

    async def pieces() -> Any:
        for _ in range(256):
            yield b"a=x\r\n" * 800

    answer = await centre.http.post(joined["whep"], content=pieces(), headers=SDP | bearer(joined))
    assert (answer.status_code, code_of(answer)) == (413, "offer-too-large")


@pytest.mark.parametrize(
    ("room_code", "status", "retry"),
    [
        ("no-common-codec", 406, None),
        ("starting", 503, "1"),
        ("viewer-limit", 503, "5"),
        ("offer-invalid", 400, None),
        ("a-code-of-the-future", 502, None),
    ],
)
async def test_what_the_room_refuses_keeps_its_code(
    centre: RunningCentre, room: ScriptedRoom, room_code: str, status: int, retry: str | None
) -> None:
    def refuse(command: Command) -> dict[str, Any]:
        raise CommandError("the room says no", code=room_code)

    joined = await _open(centre, room)
    room.answers["rtc.offer"] = refuse
    answer = await _offer(centre, joined)
    assert answer.status_code == status
    assert code_of(answer) == ("command-failed" if status == 502 else room_code)
    assert answer.headers.get("retry-after") == retry


async def test_a_body_of_another_kind_is_unsupported(centre: RunningCentre, room: ScriptedRoom) -> None:
    joined = await _open(centre, room)
    answer = await centre.http.post(joined["whep"], json={"sdp": OFFER}, headers=bearer(joined))
    assert (answer.status_code, code_of(answer)) == (415, "unsupported-media-type")


@pytest.mark.parametrize(
    ("fragment", "headers", "status", "code"),
    [
        ("nonsense", {}, 400, "candidate-invalid"),
        ("a=candidate:1 1 udp 1 evil\r\n", {}, 400, "candidate-invalid"),
        (FRAGMENT, {"If-Match": "*"}, 422, "ice-restart-unsupported"),
        (FRAGMENT.replace("a=ice-ufrag:abcd", "a=ice-ufrag:new1"), {}, 422, "ice-restart-unsupported"),
        (FRAGMENT, {"Content-Type": "text/plain"}, 415, "unsupported-media-type"),
    ],
)
async def test_candidates_that_cannot_be_taken_say_why(
    centre: RunningCentre, room: ScriptedRoom, fragment: str, headers: dict[str, str], status: int, code: str
) -> None:
    joined = await _open(centre, room)
    location = (await _offer(centre, joined)).headers["location"]
    answer = await centre.http.patch(location, content=fragment, headers=TRICKLE | bearer(joined) | headers)
    assert (answer.status_code, code_of(answer)) == (status, code)
    assert not room.commands_named("rtc.candidate")


async def test_a_ticket_opens_its_own_room_and_no_forged_one_opens_any(
    centre: RunningCentre, room: ScriptedRoom
) -> None:
    joined = await _open(centre, room)
    elsewhere = await centre.http.post("/whep/0750001a-b13", content=OFFER, headers=SDP | bearer(joined))
    assert (elsewhere.status_code, code_of(elsewhere)) == (403, "forbidden")
    forged = {"Authorization": f"Bearer {joined['token'][:-2]}xx"}
    for headers in (forged, {"Authorization": "Basic abc"}, {}):
        answer = await centre.http.post(joined["whep"], content=OFFER, headers=SDP | headers)
        assert (answer.status_code, code_of(answer)) == (401, "token-invalid")


async def test_a_ticket_for_another_lesson_or_a_room_that_is_gone_opens_no_stream(
    centre: RunningCentre, room: ScriptedRoom, caplog: pytest.LogCaptureFixture
) -> None:
    joined = await centre.join(code=(await room.access()).code)
    gone, _ = Tickets(load_keys(centre.config.state_dir), time.time).issue("0750001a-b99", "l-1")
    for token, lesson, expected in (
        (joined["token"], "l-other", (403, "forbidden")),
        (gone, "l-1", (410, "lesson-ended")),
    ):
        for path in (f"/api/v1/lessons/{lesson}", f"/api/v1/lessons/{lesson}/events"):
            answer = await centre.http.get(path, headers={"Authorization": f"Bearer {token}"})
            assert (answer.status_code, code_of(answer)) == expected
    assert [record for record in caplog.records if record.exc_info] == []


async def test_thirty_pupils_at_once_are_all_answered(centre: RunningCentre, room: ScriptedRoom) -> None:
    await _open(centre, room)
    code = (await room.access()).code
    pupils = [await centre.join(code=code) for _ in range(30)]
    answers = await asyncio.gather(*(_offer(centre, joined) for joined in pupils))
    assert [answer.status_code for answer in answers] == [201] * 30
    assert len({answer.headers["location"] for answer in answers}) == 30
    assert len({command.args["holder"] for command in room.commands_named("rtc.offer")}) == 30


async def test_one_ticket_is_known_to_the_room_as_one_holder_and_held_to_a_rate(
    centre: RunningCentre, room: ScriptedRoom
) -> None:
    joined = await _open(centre, room)
    answers = await asyncio.gather(*(_offer(centre, joined) for _ in range(15)))
    refused = [answer for answer in answers if answer.status_code != 201]
    assert 3 <= len(refused) <= 5  # a second may go by meanwhile
    assert {(answer.status_code, code_of(answer)) for answer in refused} == {(429, "offer-throttled")}
    assert int(refused[0].headers["retry-after"]) == refused[0].json()["retry_after_s"] == 1
    [holder] = {command.args["holder"] for command in room.commands_named("rtc.offer")}
    assert holder
    assert holder not in joined["token"]
    other = await centre.join(code=(await room.access()).code)
    assert (await _offer(centre, other)).status_code == 201


async def test_who_was_shown_out_gets_nothing_for_the_old_ticket(centre: RunningCentre, room: ScriptedRoom) -> None:
    joined = await _open(centre, room)
    code = (await room.access()).code
    assert (await _offer(centre, joined)).status_code == 201
    holder = room.commands_named("rtc.offer")[0].args["holder"]
    await room.say_fact("e-1", ViewerRemoved(lesson=(await room.access()).lesson, holder=holder))
    await until(lambda: room.configs[-1].config.access.code != code, "another code")  # type: ignore[union-attr]  # it has access
    for answer in (
        await _offer(centre, joined),
        await centre.http.get(joined["events"], headers=bearer(joined)),
        await centre.http.post("/api/v1/join", json={"code": (await room.access()).code}, headers=bearer(joined)),
    ):
        assert (answer.status_code, code_of(answer)) == (403, "not-admitted")
    assert len(room.commands_named("rtc.offer")) == 1
    await centre.join(code=(await room.access()).code)


async def test_a_standing_link_is_a_whole_class_and_no_holder(centre: RunningCentre, room: ScriptedRoom) -> None:
    await _open(centre, room)
    link = (await room.access()).link.rsplit("/", 1)[1]
    for _ in range(15):
        answer = await centre.http.post(f"/whep/{ROOM}?link={link}", content=OFFER, headers=SDP)
        assert answer.status_code == 201
    assert {command.args["holder"] for command in room.commands_named("rtc.offer")} == {None}


async def test_a_lesson_that_the_room_began_alone_is_adopted(centre: RunningCentre, room: ScriptedRoom) -> None:
    early = await centre.join(code=(await room.access()).code)
    await room.say_state(LessonState.LIVE, "made-by-the-room")
    await until(lambda: _phase_is(centre, early, "open"), "the waiting pupil's lesson is open")
    assert (await _offer(centre, early)).status_code == 201
    await room.say_state(LessonState.IDLE)
    await until(lambda: _phase_is(centre, early, "ended"), "and over with it")


async def test_a_code_tried_too_often_is_throttled_and_a_right_one_never(
    centre: RunningCentre, room: ScriptedRoom
) -> None:
    right = (await room.access()).code
    for _ in range(30):
        await centre.join(code=right)
    answers = [await centre.http.post("/api/v1/join", json={"code": f"ABCD-EFG{n}"}) for n in range(2, 10)]
    answers += [await centre.http.post("/api/v1/join", json={"code": "not a code"}) for _ in range(4)]
    assert [code_of(answer) for answer in answers] == ["code-wrong"] * 10 + ["code-throttled"] * 2
    assert {answer.status_code for answer in answers} == {404, 429}
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert answers[-1].json()["retry_after_s"] >= 1
    link = (await room.access()).link.rsplit("/", 1)[1]
    assert (await centre.join(link=link))["view"]["room"] == ROOM
