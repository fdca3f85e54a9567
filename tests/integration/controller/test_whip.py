"""Sending to a room: the way of an offer through a real centre and a real broker, and who gets none."""

from __future__ import annotations

from typing import Any

from protocol.errors import CommandError
from protocol.messages import Command
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
from tests.integration.controller.test_whep import _offer, _open, bearer, code_of

SENDING = OFFER.replace("m=video", "m=audio").replace("recvonly", "sendonly")


async def _publish(centre: RunningCentre, joined: dict[str, Any], **headers: str) -> Any:
    return await centre.http.post(joined["whip"], content=SENDING, headers=SDP | bearer(joined) | headers)


async def test_the_room_is_asked_as_the_pupil_that_it_knows_and_hears_of_candidates_and_the_end(
    centre: RunningCentre, room: ScriptedRoom
) -> None:
    room.answers["rtc.publish"] = lambda command: {"sdp": ANSWER}
    joined = await _open(centre, room)
    await _offer(centre, joined)
    answer = await _publish(centre, joined)
    assert (answer.status_code, answer.text) == (201, ANSWER)
    location = answer.headers["location"]
    assert location.startswith(f"/whip/{ROOM}/")
    assert answer.headers["accept-patch"] == "application/trickle-ice-sdpfrag"
    [watching], [sending] = room.commands_named("rtc.offer"), room.commands_named("rtc.publish")
    assert sending.args["sdp"] == SENDING
    assert sending.args["holder"] == watching.args["holder"]
    assert sending.args["viewer"] == location.rsplit("/", 1)[1] != watching.args["viewer"]
    assert (await centre.http.patch(location, content=FRAGMENT, headers=TRICKLE | bearer(joined))).status_code == 204
    assert [c.args["viewer"] for c in room.commands_named("rtc.candidate")] == [sending.args["viewer"]]
    assert (await centre.http.delete(location, headers=bearer(joined))).status_code == 200
    assert [c.args["viewer"] for c in room.commands_named("rtc.close")] == [sending.args["viewer"]]


async def test_what_the_room_says_against_it_keeps_its_code(centre: RunningCentre, room: ScriptedRoom) -> None:
    joined = await _open(centre, room)
    for code in ("hand-not-taken", "speaker-in-room", "somebody-speaks"):

        def refuse(command: Command, code: str = code) -> dict[str, Any]:
            raise CommandError("no", code=code)

        room.answers["rtc.publish"] = refuse
        answer = await _publish(centre, joined)
        assert (answer.status_code, code_of(answer)) == (409, code)


async def test_neither_a_link_nor_another_sites_page_may_send(centre: RunningCentre, room: ScriptedRoom) -> None:
    joined = await _open(centre, room)
    secret = (await room.access()).link.rsplit("/", 1)[1]
    by_link = await centre.http.post(f"/whip/{ROOM}?link={secret}", content=SENDING, headers=SDP)
    assert (by_link.status_code, code_of(by_link)) == (401, "token-invalid")
    elsewhere = await _publish(centre, joined, **{"Sec-Fetch-Site": "cross-site"})
    assert (elsewhere.status_code, code_of(elsewhere)) == (403, "cross-site")
    other = await centre.http.post("/whip/0750001a-b13", content=SENDING, headers=SDP | bearer(joined))
    assert (other.status_code, code_of(other)) == (403, "forbidden")
    assert not room.commands_named("rtc.publish")
