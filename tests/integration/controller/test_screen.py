"""A code for one share: asked for by the room, typed once, and good for sending one screen and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from controller.keys import Keys
from controller.screens import CODE_LIFE_S, ScreenCodes
from protocol.errors import AccessError
from protocol.lesson import LessonState
from protocol.messages import Access, ScreenAsked, ScreenTold
from protocol.pages import LessonView
from tests.integration.controller.scripted import (
    ANSWER,
    FRAGMENT,
    OFFER,
    ROOM,
    SDP,
    TRICKLE,
    RunningCentre,
    ScriptedRoom,
)
from tests.integration.controller.test_whep import _open, _phase_is, bearer, code_of
from tests.waiting import until

SENDING = OFFER.replace("recvonly", "sendonly")


async def asked(room: ScriptedRoom) -> ScreenTold:
    answer = await room.link.call(
        room.topics.req("screen"), ScreenAsked(), reply_topic=room.topics.reply("screen"), timeout_s=10
    )
    return ScreenTold.model_validate(answer)


async def trade(centre: RunningCentre, code: str) -> httpx.Response:
    return await centre.http.post("/api/v1/screen", json={"code": code})


async def test_whoever_types_the_code_sends_to_the_room_as_the_one_that_it_was_told_of(
    centre: RunningCentre, room: ScriptedRoom
) -> None:
    room.answers["rtc.publish"] = lambda command: {"sdp": ANSWER}
    await _open(centre, room)
    told = await asked(room)
    assert told.page == f"{centre.url}/screen"
    assert (await centre.http.get("/screen")).status_code == 200
    answer = await trade(centre, told.code.lower().replace("-", " "))
    assert answer.status_code == 200, answer.text
    ticket = answer.json()
    assert (ticket["whip"], ticket["room_name"]) == (f"/whip/{ROOM}", "Salle B12")
    sent = await centre.http.post(ticket["whip"], content=SENDING, headers=SDP | bearer(ticket))
    assert (sent.status_code, sent.text) == (201, ANSWER)
    [command] = room.commands_named("rtc.publish")
    assert (command.args["what"], command.args["holder"]) == ("shared", told.holder)
    location = sent.headers["location"]
    assert (await centre.http.patch(location, content=FRAGMENT, headers=TRICKLE | bearer(ticket))).status_code == 204
    assert (await centre.http.delete(location, headers=bearer(ticket))).status_code == 200
    assert [c.args["viewer"] for c in room.commands_named("rtc.close")] == [command.args["viewer"]]


async def test_its_ticket_opens_nothing_else_and_no_other_sends_a_screen(
    centre: RunningCentre, room: ScriptedRoom
) -> None:
    room.answers["rtc.publish"] = lambda command: {"sdp": ANSWER}
    pupil = await _open(centre, room)
    lesson = pupil["view"]["lesson"]
    ticket = (await trade(centre, (await asked(room)).code)).json()
    answers = [
        await centre.http.post(f"/whep/{ROOM}", content=OFFER, headers=SDP | bearer(ticket)),
        await centre.http.get(f"/api/v1/lessons/{lesson}", headers=bearer(ticket)),
        await centre.http.get(f"/api/v1/lessons/{lesson}/events", headers=bearer(ticket)),
    ]
    assert [(one.status_code, code_of(one)) for one in answers] == [(401, "token-invalid")] * 3
    other = await centre.http.post("/whip/0750001a-b13", content=SENDING, headers=SDP | bearer(ticket))
    assert (other.status_code, code_of(other)) == (403, "forbidden")
    await centre.http.post(pupil["whip"], content=SENDING, headers=SDP | bearer(pupil))
    assert [command.args["what"] for command in room.commands_named("rtc.publish")] == ["voice"]
    again = await centre.http.post("/api/v1/join", json={"code": (await asked(room)).code})
    assert code_of(again) == "code-wrong", "no code for a screen lets a pupil in"


async def test_a_code_is_used_once_and_void_with_the_next_one_and_with_the_lesson(
    centre: RunningCentre, room: ScriptedRoom
) -> None:
    pupil = await _open(centre, room)
    first = (await asked(room)).code
    assert (await trade(centre, first)).status_code == 200
    used = await trade(centre, first)
    assert (used.status_code, code_of(used)) == (409, "screen-code-used")
    second, third = (await asked(room)).code, (await asked(room)).code
    void = await trade(centre, second)
    assert (void.status_code, code_of(void)) == (404, "screen-code-wrong")
    await room.say_state(LessonState.IDLE)

    await until(lambda: _phase_is(centre, pupil, "ended"), "the lesson's end")
    assert code_of(await trade(centre, third)) == "lesson-ended"


async def test_guessing_is_slowed_down_and_takes_nothing_from_pupils(centre: RunningCentre, room: ScriptedRoom) -> None:
    await _open(centre, room)
    told = await asked(room)
    codes = [code_of(await trade(centre, f"AAAA-AAA{sign}")) for sign in "ABCDEFGHJKMN"]
    assert codes[:10] == ["screen-code-wrong"] * 10
    assert codes[10:] == ["code-throttled"] * 2
    right = await trade(centre, told.code)
    assert (right.status_code, code_of(right)) == (429, "code-throttled")
    assert int(right.headers["retry-after"]) > 0
    assert (await centre.join(code=(await room.access()).code))["token"]


@pytest.mark.parametrize("body", [{}, {"code": None}, {"code": "A" * 33}, {"code": "AAAA-AAAA", "more": 1}, []])
async def test_a_body_of_another_form_is_refused(centre: RunningCentre, body: Any) -> None:
    answer = await centre.http.post("/api/v1/screen", json=body)
    assert (answer.status_code, code_of(answer)) == (422, "body-invalid")


class Book:
    """The part of the lesson book that codes need."""

    def access(self, room: str) -> Access:
        return Access(lesson=f"l-{room}", code="AAAA-AAAA", link="https://estrade.example/j/x")

    def view(self, lesson: str, room: str) -> LessonView:
        return LessonView(
            lesson=lesson, room=room, room_name=room, room_online=True, phase="open", state=LessonState.LIVE
        )


def test_a_code_runs_out_and_the_memory_of_them_with_it(tmp_path: Path) -> None:
    at = [100.0]
    book: Any = Book()
    codes = ScreenCodes(Keys(bytes(32)), book, public_url="https://estrade.example", mono=lambda: at[0])
    told = {room: codes.offer(room) for room in ("b12", "b13")}
    assert codes.trade(told["b12"].code).lesson == "l-b12"
    at[0] += CODE_LIFE_S - 1
    assert codes.trade(told["b13"].code).room == "b13"
    late = codes.offer("b14").code
    at[0] += CODE_LIFE_S
    with pytest.raises(AccessError) as refused:
        codes.trade(late)
    assert refused.value.code == "screen-code-wrong"
    codes.offer("b15")
    assert len(codes._grants) == 1
