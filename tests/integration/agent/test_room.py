"""A room alone and with its centre: press to state, report to the centre, commands and refusals."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest
from pydantic import ConfigDict

from agent.lesson import CLEAR_S
from agent.streams.publisher import Publisher
from mqttlink.link import Link
from protocol.errors import CommandError, ConfigError
from protocol.messages import (
    COMMANDS,
    Access,
    Args,
    ConfigDocument,
    LessonMute,
    LessonPropose,
    LessonStop,
    RoomConfig,
    RtcClose,
    RtcOffer,
)
from tests.broker import Broker
from tests.integration.agent.conftest import ROOM, SIMULATED, Centre, room_settings, running_room
from tests.waiting import until

ACCESS = Access(lesson="l-1", code="K7QF-92MX", link="https://estrade.example/j/0123456789abcdef")


async def test_press_start_and_stop_are_told_to_the_centre_in_order(
    broker: Broker, centre: Centre, tmp_path: Path
) -> None:
    async with running_room(room_settings(broker, tmp_path)) as room:
        await until(lambda: centre.states, "a first state")
        assert (await room.press("lesson/start")).status_code == 200
        live = await room.state_is("live")
        assert {device["status"] for device in live["devices"]} == {"ok"}
        assert live["sign"] == "open"
        await until(lambda: "live" in centre.lesson_states(), "the centre knows")
        assert (await room.press("lesson/stop")).status_code == 200
        idle = await room.state_is("idle")
        assert idle["summary"]["viewers_most"] == 0
        assert [device["is_open"] for device in idle["devices"]] == [False, False, False]
        await until(lambda: "lesson.ended" in centre.facts(), "the end is an event")
    # "ending" may last no longer than the reporter gathers changes for, and is then told together with what follows
    assert [state for state in centre.lesson_states() if state != "ending"] == ["idle", "preparing", "live", "idle"]
    assert centre.facts() == ["lesson.started", "lesson.ended"]
    await until(lambda: len(centre.statuses) == 2, "birth and death")
    assert [(status.online, status.reason) for status in centre.statuses] == [(True, None), (False, "shutdown")]


async def test_nothing_of_a_lesson_stays_in_memory(broker: Broker, tmp_path: Path) -> None:
    async with running_room(room_settings(broker, tmp_path)) as room:
        await room.press("lesson/start")
        await room.state_is("live")
        lessons = [weakref.ref(one) for one in gc.get_objects() if type(one) is Publisher]
        assert lessons
        await room.press("lesson/stop")
        await room.state_is("idle")
        await until(lambda: all(one() is None for one in lessons), "its memory", CLEAR_S + 5)


async def test_the_code_made_ahead_is_on_the_panel_also_without_centre_or_broker(
    broker: Broker, centre: Centre, tmp_path: Path
) -> None:
    settings = room_settings(broker, tmp_path)
    async with running_room(settings) as room:
        await centre.configure(ConfigDocument(rev=1, config=RoomConfig(name="Salle Marie Curie", access=ACCESS)))
        await until(lambda: any(state.config_rev == 1 for state in centre.states) or None, "the revision is reported")
        assert (await room.view())["access"]["code"] == "K7QF-92MX"
    broker.kill()
    async with running_room(settings) as room:
        view = await room.view()
        assert (view["access"]["code"], view["room_name"], view["centre"]) == ("K7QF-92MX", "Salle Marie Curie", "away")
        code = await room.panel.get("/api/qr.svg")
        assert code.headers["content-type"].startswith("image/svg+xml")
        assert (await room.press("lesson/start")).status_code == 200
        await room.state_is("live")
        await room.press("lesson/stop")
        await room.state_is("idle")


async def test_a_state_that_the_broker_did_not_take_is_reported_again_while_the_line_holds(
    broker: Broker, centre: Centre, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "agent.reporter")

    def refused() -> int:
        return sum(record.message == "The state is not reported" for record in caplog.records)

    def levels() -> list[str]:
        return [record.levelname for record in caplog.records if record.name == "agent.reporter"]

    async with running_room(room_settings(broker, tmp_path, devices={})) as room:
        await until(lambda: centre.lesson_states() == ["idle"], "the first state")
        times_read = broker.log_text.count("Reloading config")
        broker.reload_rights(without="/state")
        await until(lambda: broker.log_text.count("Reloading config") > times_read, "the new rights are read")
        await room.press("lesson/start")
        await room.state_is("degraded")
        before = refused()
        await until(lambda: refused() > before, "the last state is refused too")
        assert centre.lesson_states() == ["idle"]
        broker.reload_rights()
        await until(lambda: centre.lesson_states() == ["idle", "degraded"], "the state that is true by now")
        assert [status.online for status in centre.statuses] == [True], "the line held"
        await until(lambda: levels()[-1] == "INFO", "its end is told, too")  # once the broker's word is here
    assert (levels()[0], levels()[-1]) == ("WARNING", "INFO")
    assert set(levels()[1:-1]) <= {"DEBUG"}


async def test_events_wait_on_disk_until_the_centre_has_stored_them(broker: Broker, tmp_path: Path) -> None:
    settings = room_settings(broker, tmp_path, devices={})
    deaf = Centre(Link(broker.controller("main")), acknowledges=False)
    async with deaf.link.running(), running_room(settings) as room:
        await room.press("lesson/start")
        await room.state_is("degraded")
        await room.press("lesson/stop")
        await room.state_is("idle")
        await until(lambda: len(deaf.events) == 2, "both events were heard")
    hearing = Centre(Link(broker.controller("main")))
    async with hearing.link.running():
        await hearing.link.wait_connected()
        async with running_room(settings):
            await until(lambda: len(hearing.events) == 2, "both events come again after a restart")
            assert [event.id for event in hearing.events] == [event.id for event in deaf.events]
        async with running_room(settings):
            await until(lambda: len([s for s in hearing.statuses if s.online]) >= 2, "the room is back")
            assert len(hearing.events) == 2


async def test_the_lesson_takes_its_id_from_the_code_once(broker: Broker, centre: Centre, tmp_path: Path) -> None:
    async with running_room(room_settings(broker, tmp_path, devices={})) as room:
        await centre.configure(ConfigDocument(rev=1, config=RoomConfig(name="Salle B12", access=ACCESS)))
        await until(lambda: any(state.config_rev == 1 for state in centre.states), "the code arrived")
        for _ in range(2):
            await room.press("lesson/start")
            await room.state_is("degraded")
            await room.press("lesson/stop")
            await room.state_is("idle")
        await until(lambda: centre.facts().count("lesson.ended") == 2, "both ends")
    assert started_as(centre)[0] == "l-1"
    assert started_as(centre)[1].startswith("room-")


def started_as(centre: Centre) -> list[str]:
    return [event.fact.lesson for event in centre.events if event.fact.kind == "lesson.started"]


async def test_a_code_that_came_in_a_lesson_is_not_the_next_one_s(
    broker: Broker, centre: Centre, tmp_path: Path
) -> None:
    """A lesson that began before its code came ends with it, whatever the room called it."""
    async with running_room(room_settings(broker, tmp_path, devices={})) as room:
        await room.press("lesson/start")
        await room.state_is("degraded")
        await centre.configure(ConfigDocument(rev=1, config=RoomConfig(name="Salle B12", access=ACCESS)))
        await until(lambda: any(state.config_rev == 1 for state in centre.states), "the code arrived")
        await room.press("lesson/stop")
        await room.state_is("idle")
        await room.press("lesson/start")
        await room.state_is("degraded")
        await until(lambda: len(started_as(centre)) == 2, "both beginnings")
    assert all(lesson.startswith("room-") for lesson in started_as(centre))


@pytest.mark.timed
async def test_a_camera_pulled_out_and_back_is_degraded_and_live_again(
    broker: Broker, centre: Centre, tmp_path: Path
) -> None:
    fault = {"at_s": 1.0, "kind": "unplug", "for_s": 1.0}
    devices = {**SIMULATED, "camera": {**SIMULATED["camera"], "faults": [fault]}}
    async with running_room(room_settings(broker, tmp_path, devices)) as room:
        await room.press("lesson/start")
        await room.state_is("live")
        degraded = await room.state_is("degraded")
        assert degraded["missing"] == ["camera"]
        [camera] = [device for device in degraded["devices"] if device["id"] == "camera"]
        assert camera["problem"]["code"] == "device-lost"
        await room.state_is("live")
        await until(lambda: "device.back" in centre.facts(), "the return is an event")
        await room.press("lesson/stop")
        idle = await room.state_is("idle")
        assert idle["summary"]["problems"] == [{"fr": "La caméra a manqué.", "en": "The camera was missing."}]
    assert [fact for fact in centre.facts() if fact.startswith("device")] == ["device.lost", "device.back"]
    back = next(event.fact for event in centre.events if event.fact.kind == "device.back")
    assert 0.5 < back.away_s < 4.0


@pytest.mark.timed
async def test_a_lesson_begins_without_what_is_missing(broker: Broker, centre: Centre, tmp_path: Path) -> None:
    fault = {"at_s": 0.0, "kind": "unplug", "for_s": 3600.0}
    devices = {**SIMULATED, "camera": {**SIMULATED["camera"], "faults": [fault]}}
    async with running_room(room_settings(broker, tmp_path, devices)) as room:
        await room.press("lesson/start")
        view = await room.state_is("degraded", "live")
        assert (view["state"], view["missing"]) == ("degraded", ["camera"])


async def test_pause_and_mute_are_two_facts(broker: Broker, centre: Centre, tmp_path: Path) -> None:
    async with running_room(room_settings(broker, tmp_path, devices={})) as room:
        await room.press("lesson/start")
        await room.state_is("degraded")
        await room.press("lesson/on-air", {"sound": False})
        view = (await room.press("lesson/pause", {"paused": True})).json()
        assert (view["paused"], view["on_air"]["sound"]) == (True, False)
        view = (await room.press("lesson/pause", {"paused": False})).json()
        assert (view["paused"], view["on_air"]) == (False, {"camera": True, "board": True, "sound": False})


async def test_a_frozen_board_stays_frozen_for_the_lesson_and_is_told(
    broker: Broker, centre: Centre, tmp_path: Path
) -> None:
    async with running_room(room_settings(broker, tmp_path, devices={})) as room:
        assert (await room.press("lesson/freeze", {"frozen": True})).status_code == 409
        await room.press("lesson/start")
        await room.state_is("degraded")
        view = (await room.press("lesson/freeze", {"frozen": True})).json()
        assert (view["frozen"], view["paused"], view["on_air"]) == (True, False, LET_OUT)
        assert (await room.press("lesson/pause", {"paused": True})).json()["frozen"]
        await until(lambda: centre.states[-1].frozen and centre.states[-1].paused, "the centre hears of both")
        await room.press("lesson/stop")
        assert not (await room.state_is("idle"))["frozen"]


async def test_a_start_from_afar_is_only_proposed(broker: Broker, centre: Centre, tmp_path: Path) -> None:
    async with running_room(room_settings(broker, tmp_path, devices={})) as room:
        await until(lambda: centre.states, "the room is there")
        await centre.call("lesson.propose", LessonPropose(proposal="p-1", actor="Mme Roy"))
        view = await room.view()
        assert (view["state"], view["proposal"]["actor"]) == ("idle", "Mme Roy")
        await room.press("proposal", {"id": "p-1", "accept": False})
        gone = await room.press("proposal", {"id": "p-1", "accept": True})
        assert (gone.status_code, gone.json()["code"]) == (409, "proposal-none")
        await centre.call("lesson.propose", LessonPropose(proposal="p-2", actor="Mme Roy"))
        await room.press("proposal", {"id": "p-2", "accept": True})
        await room.state_is("degraded")
        with pytest.raises(CommandError) as refused:
            await centre.call("lesson.propose", LessonPropose(proposal="p-3", actor="Mme Roy"))
        assert refused.value.code == "lesson-transition"
        await centre.call("lesson.stop", LessonStop(actor="Mme Roy"))
        idle = await room.state_is("idle")
        assert {"fr": "L’informatique a arrêté la classe.", "en": "IT stopped the class."} in (
            idle["summary"]["problems"]
        )
        await until(lambda: "lesson.ended" in centre.facts(), "the end")
    answers = [event.fact.reason for event in centre.events if event.fact.kind == "proposal.answered"]
    assert answers == ["refused", "accepted"]
    ended = next(event.fact for event in centre.events if event.fact.kind == "lesson.ended")
    assert ended.reason == "stopped from the centre"


async def test_a_proposal_that_nobody_answers_runs_out(broker: Broker, centre: Centre, tmp_path: Path) -> None:
    async with running_room(room_settings(broker, tmp_path, devices={})) as room:
        await until(lambda: centre.states, "the room is there")
        await centre.call("lesson.propose", LessonPropose(proposal="p-1", actor="Mme Roy", expires_s=5))
        assert 3 < (await room.view())["proposal"]["remaining_s"] <= 5
        await until(lambda: "proposal.answered" in centre.facts(), "it ran out")
        assert (await room.view())["proposal"] is None


class _Any(Args):
    """Arguments of any command, and on top of them every word that could mean "let it out"."""

    model_config = ConfigDict(extra="allow")


HELD_BACK = {"camera": False, "board": False, "sound": False}
LET_OUT = {"camera": True, "board": True, "sound": True}
TRIED: dict[str, dict[str, Any]] = {
    "rtc.offer": {"viewer": "v-1", "sdp": "v=0\r\n"},
    "rtc.publish": {"viewer": "v-1", "sdp": "v=0\r\n", "holder": "h-1"},
    "rtc.relay": {"holder": "h-1"},
    "rtc.candidate": {"viewer": "v-1", "candidates": []},
    "rtc.close": {"viewer": "v-1"},
    "lesson.stop": {"actor": "it"},
    "lesson.propose": {"proposal": "p-1", "actor": "it"},
    "lesson.mute": {"actor": "it", "sound": False},
    "check.seen": {"check": "on-air", "actor": "it"},
    "selftest.run": {"actor": "it"},
    "event.ack": {"ids": []},
}


async def test_from_afar_a_microphone_is_muted_and_the_panel_alone_lets_it_out_again(
    broker: Broker, centre: Centre, tmp_path: Path
) -> None:
    async with running_room(room_settings(broker, tmp_path, devices={})) as room:
        await room.press("lesson/start")
        await room.state_is("degraded")
        await centre.call("lesson.mute", LessonMute(actor="it", sound=False))
        view = await room.view()
        assert (view["on_air"], view["muted_from_afar"]) == ({"camera": True, "board": True, "sound": False}, True)
        await until(lambda: not centre.states[-1].on_air.sound, "the centre hears of it")
        await room.press("lesson/on-air", {"sound": True})
        view = await room.view()
        assert (view["on_air"], view["muted_from_afar"]) == (LET_OUT, False)
        await room.press("lesson/on-air", {"sound": False})
        await centre.call("lesson.mute", LessonMute(actor="it", sound=False))
        assert not (await room.view())["muted_from_afar"], "the teacher was first"


async def test_no_command_lets_out_what_is_held_back(broker: Broker, centre: Centre, tmp_path: Path) -> None:
    assert TRIED.keys() == COMMANDS.keys()
    async with running_room(room_settings(broker, tmp_path, devices={})) as room:
        await until(lambda: centre.states, "the room is there")
        for name, args in TRIED.items():
            for more in ({}, LET_OUT, {"on_air": LET_OUT, "paused": False, "frozen": False}):
                await room.press("lesson/start")
                await room.state_is("degraded")
                await room.press("lesson/on-air", HELD_BACK)
                await room.press("lesson/pause", {"paused": True})
                with contextlib.suppress(CommandError):
                    await centre.call(name, _Any(**{**args, **more}))
                view = await room.view()
                if name == "lesson.stop":
                    assert (await room.state_is("idle"))["sign"] == "off"
                else:
                    assert (view["state"], view["on_air"], view["paused"]) == ("degraded", HELD_BACK, True), name


class _Odd(Args):
    sdp: int = 1


@pytest.mark.parametrize(
    ("name", "args", "code"),
    [
        ("rtc.offer", RtcOffer(viewer="v-1", sdp="v=0\r\n"), "lesson-not-started"),
        ("lesson.stop", LessonStop(actor="x"), "lesson-transition"),
        ("no.such", _Odd(), "command-unknown"),
        ("rtc.offer", _Odd(), "args-invalid"),
    ],
)
async def test_a_command_that_cannot_be_is_refused_with_its_code(
    broker: Broker, centre: Centre, tmp_path: Path, name: str, args: Args, code: str
) -> None:
    async with running_room(room_settings(broker, tmp_path, devices={})):
        await until(lambda: centre.states, "the room is there")
        async with asyncio.timeout(10):
            while True:  # a room that is not warm yet says so first
                with pytest.raises(CommandError) as refused:
                    await centre.call(name, args)
                if refused.value.code != "starting":
                    break
    assert refused.value.code == code


async def test_an_offer_that_is_none_is_refused_and_the_lesson_goes_on(
    broker: Broker, centre: Centre, tmp_path: Path
) -> None:
    async with running_room(room_settings(broker, tmp_path, devices={})) as room:
        await room.press("lesson/start")
        await room.state_is("degraded")
        with pytest.raises(CommandError) as refused:
            await centre.call("rtc.offer", RtcOffer(viewer="v-1", sdp="hello"))
        assert refused.value.code == "offer-invalid"
        with pytest.raises(CommandError) as unknown:
            await centre.call("rtc.close", RtcClose(viewer="v-1"))
        assert unknown.value.code == "viewer-not-found"
        assert (await room.view())["state"] == "degraded"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "estrade.example"}, 403),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
async def test_only_the_panels_own_page_presses_its_buttons(
    broker: Broker, tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    async with running_room(room_settings(broker, tmp_path, devices={})) as room:
        answer = await room.panel.post("/api/lesson/start", headers=headers)
        assert answer.status_code == status
        assert "content-security-policy" in answer.headers
        assert ((await room.view())["state"] == "idle") == (status == 403)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("lesson/stop", None, 409, "lesson-transition"),
        ("lesson/pause", {"paused": True}, 409, "lesson-transition"),
        ("lesson/pause", {"paused": "perhaps"}, 422, "body-invalid"),
        ("lesson/pause", {"pause": True}, 422, "body-invalid"),
        ("lesson/on-air", {"sound": "x" * 5000}, 422, "body-too-large"),
        ("device/retry", {"device": "camera"}, 409, "lesson-transition"),
    ],
)
async def test_what_the_panel_cannot_do_is_told_with_a_code(
    broker: Broker, tmp_path: Path, path: str, body: dict[str, Any] | None, status: int, code: str
) -> None:
    async with running_room(room_settings(broker, tmp_path, devices={})) as room:
        answer = await room.press(path, body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_taken_port_is_told_before_anything_starts(broker: Broker, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        settings = room_settings(broker, tmp_path, devices={}, port=other.getsockname()[1])
        with pytest.raises(ConfigError, match="stop the other program or choose another port") as taken:
            async with running_room(settings):
                pass
    assert taken.value.code == "port-taken"


async def test_the_command_leaves_in_order_when_systemd_says_so(broker: Broker, centre: Centre, tmp_path: Path) -> None:
    settings = room_settings(broker, tmp_path)
    config = tmp_path / "agent.toml"
    broker_part = settings.broker
    config.write_text(
        f'state_dir = "state"\n[room]\nid = "{ROOM.room}"\nterritory = "075"\nname = "Salle B12"\n'
        f'[broker]\nhost = "{broker_part.host}"\nport = {broker_part.port}\nca_file = "{broker_part.ca_file}"\n'
        f'cert_file = "{broker_part.cert_file}"\nkey_file = "{broker_part.key_file}"\n'
        f"[panel]\nport = {settings.panel.port}\n"
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        agent = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agent.cli", "--config", str(config), env={"NOTIFY_SOCKET": str(tmp_path / "notify")}
        )
        async with asyncio.timeout(20):
            told = await asyncio.get_running_loop().sock_recv(manager, 4096)
            assert told.startswith(b"READY=1")
            await until(lambda: [status for status in centre.statuses if status.online], "a birth")
            agent.send_signal(signal.SIGTERM)
            assert await agent.wait() == 0
        await until(lambda: centre.statuses[-1].reason == "shutdown", "a death with its reason")
