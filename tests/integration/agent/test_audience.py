"""The pupils on a running agent: the lobby by configuration, hands and questions behind the PIN, removing, locking."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from aiortc import RTCSessionDescription

from agent.config import LessonSection
from agent.lesson_account import DEAF_LEAST_S
from agent.web.pin import hash_pin
from protocol import channel
from protocol.errors import CommandError
from protocol.messages import Access, ConfigDocument, RoomConfig, RtcOffer, ViewerRemoved
from tests.broker import Broker
from tests.integration.agent.conftest import Centre, Room, room_settings, running_room
from tests.integration.streams.peer import Peer
from tests.waiting import until

LINK = "https://estrade.example/j/0123456789abcdef"
FIRST, SECOND = (Access(lesson="l-1", code=code, link=LINK) for code in ("K7QF-92MX", "ABCD-2345"))


async def knock(centre: Centre, viewer: str, holder: str) -> Peer:
    peer = Peer()
    offer = RtcOffer(viewer=viewer, sdp=await peer.offer(), holder=holder)
    answer = await centre.call("rtc.offer", offer)
    await peer.pc.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
    data = peer.data
    assert data is not None
    await peer.until(lambda: data.readyState == "open")
    data.send(channel.Hello(name=holder.title()).model_dump_json())
    return peer


async def refused(centre: Centre, viewer: str, holder: str) -> str:
    with pytest.raises(CommandError) as error:
        await centre.call("rtc.offer", RtcOffer(viewer=viewer, sdp="v=0\r\n", holder=holder))
    return error.value.code


async def audience_is(room: Room, condition: Any) -> dict[str, Any]:
    """Wait until the panel shows the pupils as wanted."""

    async def shown() -> dict[str, Any] | None:
        audience: dict[str, Any] | None = (await room.view())["audience"]
        return audience if audience is not None and condition(audience) else None

    audience: dict[str, Any] = await until(shown, "the panel to show the pupils as wanted")
    return audience


async def test_the_summary_says_who_did_not_hear(broker: Broker, centre: Centre, tmp_path: Path) -> None:
    async with running_room(room_settings(broker, tmp_path, devices={})) as room:
        await room.press("lesson/start")
        await room.state_is("degraded")
        lina = await knock(centre, "v-1", "lina")
        assert lina.data is not None
        lina.data.send(channel.CannotHear(found="fine").model_dump_json())
        await audience_is(room, lambda audience: audience["troubles"])
        await asyncio.sleep(DEAF_LEAST_S + 1)
        await room.press("lesson/stop")
        idle = await room.state_is("idle")
        said = [problem["en"] for problem in idle["summary"]["problems"]]
        assert [one for one in said if re.fullmatch("1 pupil of 1 did not hear you for 1[0-9]\xa0s.", one)]
        await lina.close()


async def configure(centre: Centre, rev: int, access: Access) -> None:
    await centre.configure(ConfigDocument(rev=rev, config=RoomConfig(name="Salle B12", access=access)))
    await until(lambda: any(state.config_rev == rev for state in centre.states), "the code arrived")


async def test_the_panel_lets_in_hears_and_shows_out(broker: Broker, centre: Centre, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text(hash_pin("4711") + "\n")
    plain = room_settings(broker, tmp_path, devices={})
    panel = plain.panel.model_copy(update={"pin_file": tmp_path / "pin"})
    settings = plain.model_copy(update={"panel": panel, "lesson": LessonSection(lobby=True)})
    async with running_room(settings) as room:
        await configure(centre, 1, FIRST)
        assert (await room.view())["audience"] is None
        refusal = await room.press("audience/lock", {"on": True})
        assert (refusal.status_code, refusal.json()["code"]) == (409, "lesson-transition")
        await room.press("lesson/start")
        await room.state_is("degraded")
        lina = await knock(centre, "v-1", "lina")
        shown = await audience_is(room, lambda audience: audience["knocking"])
        assert shown["has_lobby"]
        assert shown["knocking"][0]["name"] == "", "names are behind the PIN"
        view = (await room.press("unlock", {"pin": "4711"})).json()
        assert view["audience"]["knocking"][0]["name"] == "Lina"
        assert (view["viewers"], view["sign"]) == ([], "off"), "who knocks is nobody in class, and gets nothing"
        pupil = {"pupil": shown["knocking"][0]["pupil"]}
        view = (await room.press("audience/admit", pupil)).json()
        assert (view["audience"]["knocking"], [one["pupil"] for one in view["viewers"]]) == ([], [pupil["pupil"]])
        await lina.until(lambda: lina.sound.arrivals)

        assert lina.data is not None
        lina.data.send(channel.Hand(is_raised=True).model_dump_json())
        lina.data.send(channel.Question(id="q1", text="Page 42 ?").model_dump_json())
        shown = await audience_is(room, lambda audience: audience["hands"] and audience["questions"])
        assert shown["questions"][0]["text"] == "Page 42 ?"
        view = (await room.press("audience/take", pupil)).json()
        assert view["audience"]["hands"][0]["is_taken"]
        await lina.until(lambda: channel.You(hand="taken", may_speak=True) in lina.heard)
        await room.press("audience/lower-all")
        view = (await room.press("audience/answered", {**pupil, "id": "q1"})).json()
        assert (view["audience"]["hands"], view["audience"]["questions"]) == ([], [])
        await lina.until(lambda: channel.QuestionState(id="q1", state="answered") in lina.heard)
        gone = await room.press("audience/answered", {**pupil, "id": "q1"})
        assert (gone.status_code, gone.json()["code"]) == (409, "pupil-not-found")

        lina.data.send(channel.CannotHear(found="fine").model_dump_json())
        await audience_is(room, lambda audience: audience["troubles"] == [{**pupil, "found": "fine"}])
        view = (await room.press("audience/settled", pupil)).json()
        assert view["audience"]["troubles"] == []
        lina.data.send(channel.CannotHear(found="silent").model_dump_json())
        await audience_is(room, lambda audience: audience["troubles"])
        lina.data.send(channel.CanHear().model_dump_json())
        await audience_is(room, lambda audience: not audience["troubles"])

        await room.press("audience/lobby", {"on": False})
        await room.press("audience/lock", {"on": True})
        assert await refused(centre, "v-2", "noe") == "lesson-locked"
        again = await knock(centre, "v-3", "lina")
        await again.until(lambda: again.sound.arrivals)

        view = (await room.press("audience/remove", pupil)).json()
        assert view["audience"]["is_code_old"], "until the centre has made another"
        await again.until(lambda: again.states[-1] == "closed")
        assert again.heard[-1] == channel.Ended(reason="removed")
        assert await refused(centre, "v-4", "lina") == "not-admitted"
        await until(lambda: "viewer.removed" in centre.facts(), "the centre is told")
        facts = [event.fact for event in centre.events if isinstance(event.fact, ViewerRemoved)]
        assert facts == [ViewerRemoved(lesson="l-1", holder="lina")]
        await configure(centre, 2, SECOND)
        await audience_is(room, lambda audience: not audience["is_code_old"])
        await room.press("lesson/stop")
        await room.state_is("idle")
        for peer in (lina, again):
            await peer.close()
