"""A taken hand lets a pupil be heard, through the room's own commands and the panel's own buttons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiortc import RTCSessionDescription

from protocol import channel
from protocol.errors import CommandError
from protocol.messages import RtcCandidate, RtcClose, RtcPublish
from tests.broker import Broker
from tests.integration.agent.conftest import Centre, Room, room_settings, running_room
from tests.integration.agent.test_audience import FIRST, audience_is, configure, knock
from tests.integration.streams.peer import Peer
from tests.integration.streams.speaker import Speaker, heard, strength, tone
from tests.waiting import until

pytestmark = pytest.mark.timed

HZ = 1_000.0


def hears_of_a_pupil(peer: Peer) -> bool:
    """Return what the room said last of whether a pupil is heard."""
    return [message for message in peer.heard if isinstance(message, channel.Notice)][-1].pupil_speaks


def told(peer: Peer) -> list[channel.Talk]:
    return [message for message in peer.heard if isinstance(message, channel.Talk)]


async def take_hand(room: Room, peer: Peer) -> dict[str, str]:
    """Raise the pupil's hand and take it; return the pupil as the panel names it."""
    assert peer.data is not None
    peer.data.send(channel.Hand(is_raised=True).model_dump_json())
    shown = await audience_is(room, lambda audience: audience["hands"])
    pupil = {"pupil": shown["hands"][0]["pupil"]}
    await room.press("audience/take", pupil)
    await peer.until(lambda: channel.You(hand="taken", may_speak=True) in peer.heard)
    return pupil


async def speak(centre: Centre, speaker: Speaker, holder: str, talker: str = "t-1") -> None:
    answer = await centre.call("rtc.publish", RtcPublish(viewer=talker, sdp=await speaker.offer(), holder=holder))
    await speaker.pc.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))


async def test_a_taken_hand_is_heard_until_one_press_and_no_other_is(
    broker: Broker, centre: Centre, tmp_path: Path
) -> None:
    async with running_room(room_settings(broker, tmp_path, devices={})) as room:
        await configure(centre, 1, FIRST)
        await room.press("lesson/start")
        await room.state_is("degraded")
        lina, noe = await knock(centre, "v-1", "lina"), await knock(centre, "v-2", "noe")
        early, speaker, again = (Speaker(tone(HZ)) for _ in range(3))
        with pytest.raises(CommandError) as refusal:
            await speak(centre, early, "lina")
        assert refusal.value.code == "hand-not-taken"

        pupil = await take_hand(room, lina)
        view = await room.view()
        assert view["talk"] == {**pupil, "name": "Lina", "state": "invited"}
        assert not hears_of_a_pupil(noe), "it is not heard yet"
        assert view["has_loudspeaker"] is False, "said before anybody speaks"
        await speak(centre, speaker, "lina")
        await centre.call("rtc.candidate", RtcCandidate(viewer="t-1", candidates=(), is_last=True))
        await lina.until(lambda: any(one.state == "no-loudspeaker" for one in told(lina)))
        await noe.until(lambda: strength(heard(noe.sound)[-24_000:], HZ) > 1_000)
        assert strength(heard(lina.sound)[-24_000:], HZ) < 60
        assert (await room.view())["talk"]["state"] == "no-loudspeaker"
        await noe.until(lambda: hears_of_a_pupil(noe))
        await room.press("lesson/pause", {"paused": True})
        await lina.until(lambda: told(lina)[-1].state == "paused")
        await noe.until(lambda: not hears_of_a_pupil(noe))
        await room.press("lesson/pause", {"paused": False})
        await noe.until(lambda: hears_of_a_pupil(noe))

        view = (await room.press("audience/lower", pupil)).json()
        assert view["talk"] is None
        await lina.until(lambda: told(lina)[-1] == channel.Talk(state="ended", reason="teacher"))
        await noe.until(lambda: not hears_of_a_pupil(noe))
        assert not any("Lina" in message.model_dump_json() for message in noe.heard), "nobody is told a name"

        await take_hand(room, lina)
        await speak(centre, again, "lina", "t-2")
        await centre.call("rtc.close", RtcClose(viewer="t-2"))
        await lina.until(lambda: told(lina)[-1] == channel.Talk(state="ended", reason="left"))

        async def is_down() -> bool:
            audience: dict[str, Any] = (await room.view())["audience"]
            return not audience["hands"]

        await until(is_down, "the hand goes down when the pupil has ended")
        await room.press("lesson/stop")
        await room.state_is("idle")
        for peer in (lina, noe):
            await peer.close()
        for one in (early, speaker, again):
            await one.pc.close()
