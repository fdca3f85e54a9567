"""Another computer's screen takes the board's place, through the room's own commands and the panel's own buttons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest

from agent.web.pin import hash_pin
from protocol import channel
from protocol.errors import CommandError
from protocol.messages import RtcCandidate, RtcClose, RtcPublish, ScreenTold
from tests.broker import Broker
from tests.integration.agent.conftest import Centre, Room, room_settings, running_room
from tests.integration.agent.test_audience import FIRST, configure, knock
from tests.integration.streams.peer import Peer, decoded
from tests.integration.streams.screen_sender import ScreenSender
from tests.waiting import until

pytestmark = pytest.mark.alone

LUMA = 90
BOARD = {"board": {"driver": "simulated", "width_px": 960, "height_px": 540}}


def told(holder: str) -> dict[str, Any]:
    page = "https://estrade.example/screen"
    return ScreenTold(code="ABCD-EFGH", page=page, holder=holder, life_s=600).model_dump()


async def share(centre: Centre, sender: ScreenSender, holder: str, connection: str = "s-1") -> None:
    offer = RtcPublish(viewer=connection, sdp=await sender.offer(), holder=holder, what="shared")
    await sender.take((await centre.call("rtc.publish", offer))["sdp"])


def board_luma(peer: Peer) -> float:
    """Return how light the newest board picture is that a pupil got; -1 before there is one."""
    frames: list[av.VideoFrame] = decoded(peer.board, peer.codec)
    return float(frames[-1].to_ndarray()[: frames[-1].height].mean()) if frames else -1.0


async def screen_is(room: Room, state: str | None) -> dict[str, Any]:
    async def is_so() -> dict[str, Any] | None:
        view = await room.view()
        now = view["screen"]["state"] if view["screen"] else None
        return view if now == state else None

    view: dict[str, Any] = await until(is_so, f"the panel shows a screen that is {state}")
    return view


async def test_a_code_from_the_centre_lets_one_computer_be_the_board_until_one_press(
    broker: Broker, centre: Centre, tmp_path: Path
) -> None:
    async with running_room(room_settings(broker, tmp_path, devices=BOARD)) as room:
        await configure(centre, 1, FIRST)
        refusal = await room.press("screen")
        assert (refusal.status_code, refusal.json()["code"]) == (409, "lesson-transition")
        await room.press("lesson/start")
        await room.state_is("degraded", "live")
        lina = await knock(centre, "v-1", "lina")
        sender, again = ScreenSender(LUMA), ScreenSender(LUMA)
        with pytest.raises(CommandError) as refused:
            await share(centre, sender, "teacher")
        assert refused.value.code == "screen-not-granted"

        centre.answers["screen"] = told("teacher")
        view = (await room.press("screen")).json()
        assert view["screen"]["code"] == "ABCD-EFGH"
        assert view["screen"]["address"] == "https://estrade.example/screen"
        await share(centre, sender, "teacher")
        await centre.call("rtc.candidate", RtcCandidate(viewer="s-1", candidates=(), is_last=True))
        shown = await screen_is(room, "shown")
        assert shown["screen"]["code"] is None
        await lina.until(lambda: abs(board_luma(lina) - LUMA) < 4)
        notices = [one for one in lina.heard if isinstance(one, channel.Notice)]
        assert "board" not in notices[-1].stand_in
        assert "ABCD-EFGH" not in str(lina.heard)
        assert all("ABCD" not in state.model_dump_json() for state in centre.states)

        view = (await room.press("screen/end")).json()
        assert view["screen"] is None
        await lina.until(lambda: abs(board_luma(lina) - LUMA) > 10)
        with pytest.raises(CommandError) as refused:
            await share(centre, again, "teacher", "s-2")
        assert refused.value.code == "screen-stopped"
        await lina.close()
        for one in (sender, again):
            await one.pc.close()


async def test_who_shares_may_end_it_and_the_lessons_end_does(broker: Broker, centre: Centre, tmp_path: Path) -> None:
    async with running_room(room_settings(broker, tmp_path, devices={})) as room:
        await configure(centre, 1, FIRST)
        await room.press("lesson/start")
        await room.state_is("degraded")
        first, second, late = ScreenSender(LUMA), ScreenSender(LUMA), ScreenSender(LUMA)
        centre.answers["screen"] = told("h1")
        await room.press("screen")
        await share(centre, first, "h1")
        await screen_is(room, "shown")
        await centre.call("rtc.close", RtcClose(viewer="s-1"))
        await screen_is(room, None)
        centre.answers["screen"] = told("h2")
        await room.press("screen")
        await share(centre, second, "h2", "s-2")
        await screen_is(room, "shown")
        await room.press("lesson/stop")
        view = await room.state_is("idle")
        assert view["screen"] is None
        await until(lambda: second.pc.connectionState == "closed", "the computer hears of the end")
        with pytest.raises(CommandError) as refused:
            await share(centre, late, "h2", "s-3")
        assert refused.value.code == "lesson-not-started"
        for one in (first, second, late):
            await one.pc.close()


async def test_the_code_is_behind_the_pin_and_an_older_centre_gives_none(
    broker: Broker, centre: Centre, tmp_path: Path
) -> None:
    (tmp_path / "pin").write_text(hash_pin("4711") + "\n")
    plain = room_settings(broker, tmp_path, devices={})
    settings = plain.model_copy(update={"panel": plain.panel.model_copy(update={"pin_file": tmp_path / "pin"})})
    async with running_room(settings) as room:
        await room.press("lesson/start")
        await room.state_is("degraded")
        locked = await room.press("screen")
        assert (locked.status_code, locked.json()["code"]) == (403, "panel-locked")
        await room.press("unlock", {"pin": "4711"})
        older = await room.press("screen")
        assert (older.status_code, older.json()["code"]) == (502, "command-failed")
        centre.answers["screen"] = told("h1")
        assert (await room.press("screen")).json()["screen"]["code"] == "ABCD-EFGH"
        await room.press("lock")
        view = await room.view()
        assert (view["screen"]["state"], view["screen"]["code"]) == ("offered", None)
