"""A real room with a camera that turns at the other end of a socket: presets, turning by hand, masks, the class."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from aiortc import RTCSessionDescription

from agent.web.pin import hash_pin
from protocol.messages import CheckStatus, RtcOffer
from tests.broker import Broker, free_port
from tests.fakes.onvif_camera import OnvifCamera, onvif_camera
from tests.fakes.visca_camera import ViscaCamera, tcp_camera, udp_camera
from tests.integration.agent.conftest import SIMULATED, Centre, Room, room_settings, running_room
from tests.integration.streams.peer import Peer, decoded
from tests.waiting import until

BOARD, TEACHER, CLASS = (0.0, 0.0, 0.0), (400.0, 100.0, 50.0), (-700.0, 0.0, 0.0)
RIGHT = {"preset": "board", "rectangle": [0.5, 0, 0.5, 1]}
RIGHT_ALONE = {"rectangle": [0.5, 0, 0.5, 1]}
SLATE_Y = 61


def stored() -> ViscaCamera:
    return ViscaCamera(presets={1: BOARD, 2: TEACHER, 3: CLASS})


@asynccontextmanager
async def visca_room(
    broker: Broker, folder: Path, motor: ViscaCamera, *, ptz: dict[str, Any] | None = None, **more: Any
) -> AsyncIterator[Room]:
    """Run a room whose camera is turned over TCP; wait until it is connected."""
    async with tcp_camera(motor) as port:
        table = {"driver": "visca", "transport": "tcp", "host": "127.0.0.1", "port": port}
        table |= {"presets": {"board": 1, "teacher": 2, "class": 3}, **(ptz or {})}
        async with running_room(room_settings(broker, folder, {**SIMULATED, "ptz": table, **more})) as room:
            await shows(room, lambda view: view["ptz"]["is_connected"])
            yield room


async def shows(room: Room, condition: Any, most_s: float = 15.0) -> dict[str, Any]:
    """Wait until the panel's view is as wanted; return it."""
    view: dict[str, Any] = {}
    try:
        async with asyncio.timeout(most_s):
            while True:
                if condition(view := await room.view()):
                    return view
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"the panel never showed it: {view.get('ptz')} {view.get('masks')}") from None


async def comes(room: Room, path: str) -> httpx.Response:
    """Ask for a picture until there is one."""
    async with asyncio.timeout(10):
        while True:
            answer = await room.panel.get(path)
            if answer.status_code == 200:
                return answer
            await asyncio.sleep(0.05)


def current(view: dict[str, Any]) -> list[str]:
    return [preset["name"] for preset in view["ptz"]["presets"] if preset["is_current"]]


async def find_right(room: Room, name: str) -> None:
    """Go to a view, look at it on the panel, and say that it is right."""
    assert (await room.press("camera/recall", {"preset": name, "to_check": True})).status_code == 200
    await shows(room, lambda view: view["masks"]["to_check"] == name)
    picture = await comes(room, "/api/camera/check.jpg")
    assert picture.content.startswith(b"\xff\xd8")
    answer = await room.press("camera/confirm", {"view": name})
    assert answer.status_code == 200
    await shows(room, lambda view: view["masks"]["cover"] is None)


@pytest.mark.timed
async def test_presets_and_holding_over_the_panels_server(broker: Broker, tmp_path: Path) -> None:
    camera = stored()
    async with visca_room(broker, tmp_path, camera) as room:
        view = await room.view()
        assert [preset["name"] for preset in view["ptz"]["presets"]] == ["board", "teacher"]
        assert (view["ptz"]["can_turn"], view["ptz"]["can_zoom"], view["ptz"]["can_store"]) == (True, True, True)
        assert view["masks"] is None
        answer = await room.press("camera/recall", {"preset": "teacher"})
        assert answer.status_code == 200
        assert camera.view == TEACHER
        await shows(room, lambda view: current(view) == ["teacher"])

        for _ in range(6):
            assert (await room.press("camera/hold", {"press": "a", "pan": -1})).status_code == 204
            await asyncio.sleep(0.15)
            assert camera.speed[0] < 0
        assert (await room.press("camera/release", {"press": "a"})).status_code == 204
        await until(lambda: camera.stands, "it stands", 1)
        assert camera.view[0] < TEACHER[0] - 8
        assert (await room.press("camera/hold", {"press": "a", "pan": 1})).status_code == 204  # it came late
        await asyncio.sleep(0.1)
        assert camera.stands
        assert current(await room.view()) == []

        await room.press("camera/hold", {"press": "b", "zoom": 1})  # and then its page is gone
        await until(lambda: not camera.stands, "it zooms", 1)
        began_s = time.monotonic()
        await until(lambda: camera.stands, "it stands", 2)
        assert time.monotonic() - began_s < 1.0

        there = tuple(round(at) for at in camera.view)
        assert (await room.press("camera/store", {"preset": "teacher"})).status_code == 200
        assert tuple(round(at) for at in camera.presets[2]) == there


async def test_a_camera_that_a_killed_agent_left_turning_stands(broker: Broker, tmp_path: Path) -> None:
    """VISCA has no limit on a drive in the camera itself."""
    camera = stored()
    camera.speed = (5, 0, 0)
    async with visca_room(broker, tmp_path, camera):
        assert camera.stands


async def test_what_cannot_be_done_is_said_with_its_code(broker: Broker, tmp_path: Path) -> None:
    camera = stored()
    del camera.presets[2]
    camera.zooms = False
    async with visca_room(broker, tmp_path, camera) as room:
        assert (await room.view())["ptz"]["can_zoom"] is False
        asked: list[tuple[str, dict[str, Any], int, str]] = [
            ("recall", {"preset": "door"}, 404, "preset-not-found"),
            ("recall", {"preset": "class"}, 404, "preset-not-found"),
            ("recall", {"preset": "teacher"}, 404, "preset-not-found"),
            ("hold", {"press": "a", "zoom": 1}, 409, "device-unsupported"),
            ("hold", {"press": "a", "pan": 2}, 422, "body-invalid"),
            ("hold", {"press": "A B", "pan": 1}, 422, "body-invalid"),
            ("confirm", {"view": "board"}, 409, "device-not-now"),
        ]
        for act, body, status, code in asked:
            answer = await room.press(f"camera/{act}", body)
            assert (answer.status_code, answer.json()["code"]) == (status, code), act
        assert camera.stands


@pytest.mark.timed
async def test_a_camera_that_says_nothing_is_told_in_words_and_holds_no_lesson_up(
    broker: Broker, centre: Centre, tmp_path: Path
) -> None:
    camera = stored()
    camera.faults.is_silent = True
    async with udp_camera(camera, is_sony=True) as port:
        table = {"driver": "visca", "host": "127.0.0.1", "port": port, "presets": {"board": 1}}
        async with running_room(room_settings(broker, tmp_path, {**SIMULATED, "ptz": table})) as room:
            await room.press("lesson/start")
            assert (await room.state_is("live"))["ptz"]["is_connected"] is False
            view = await shows(room, lambda view: view["ptz"]["problem"])
            assert (view["ptz"]["is_connected"], view["ptz"]["problem"]["code"]) == (False, "device-timeout")
            answer = await room.press("camera/recall", {"preset": "board"})
            assert (answer.status_code, answer.json()["code"]) == (503, "device-lost")

            def told() -> CheckStatus | None:
                checks = [check for health in centre.health for check in health.checks or ()]
                return next((one.status for one in reversed(checks) if one.id == "camera-turning"), None)

            await until(lambda: told() is CheckStatus.WARNING, "the centre is told")
            camera.faults.is_silent = False
            await shows(room, lambda view: view["ptz"]["is_connected"], 40)
            assert (await room.press("camera/recall", {"preset": "board"})).status_code == 200


async def test_a_preset_of_an_onvif_camera(broker: Broker, tmp_path: Path) -> None:
    camera = OnvifCamera()
    camera.presets = {"7": ("Lehrer", (0.4, 0.1, 0.2))}
    (tmp_path / "password").write_text(camera.password)
    async with onvif_camera(camera) as port:
        table = {"driver": "onvif", "host": "127.0.0.1", "port": port, "user": "admin", "password_file": "password"}
        table["presets"] = {"teacher": "Lehrer"}
        async with running_room(room_settings(broker, tmp_path, {**SIMULATED, "ptz": table})) as room:
            await shows(room, lambda view: view["ptz"]["is_connected"])
            assert (await room.press("camera/recall", {"preset": "teacher"})).status_code == 200
            assert camera.view == (0.4, 0.1, 0.2)
            await shows(room, lambda view: current(view) == ["teacher"])


# --- masks ------------------------------------------------------------------------------------------------------------


def seen(picture: np.ndarray) -> str:
    """Say what a pupil's picture is. The words of the stand-in stand in its middle."""
    height = picture.shape[0] * 2 // 3
    luma = picture[:height].astype(int)
    rows = np.r_[0 : height * 3 // 10, height * 7 // 10 : height]
    middle = luma.shape[1] // 2
    left, right = luma[rows, : middle - 8], luma[rows, middle:]
    is_slate = [bool((abs(part - SLATE_Y) <= 14).mean() > 0.998) for part in (left, right)]
    return {(True, True): "stand-in", (False, True): "masked", (False, False): "everything"}[is_slate[0], is_slate[1]]


@pytest.mark.timed
async def test_no_pupil_is_sent_what_lies_under_a_mask(broker: Broker, centre: Centre, tmp_path: Path) -> None:
    """From the first picture of the lesson, over moves, a remote control and a view stored anew."""
    camera, peer = stored(), Peer()
    more = {"mask": [RIGHT], "camera": {**SIMULATED["camera"], "width_px": 640, "height_px": 360}}
    async with visca_room(broker, tmp_path, camera, ptz={"no_mask": ["teacher"]}, **more) as room:
        await room.press("lesson/start")
        await room.state_is("live", "degraded")
        answer = await centre.call("rtc.offer", RtcOffer(viewer="v-1", sdp=await peer.offer()))
        await peer.pc.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        await peer.until(lambda: len(peer.camera.arrivals) > 20)

        marks: list[tuple[int, str, str]] = []

        async def pupils_see(what: str, of: str) -> None:
            """Let a second of pictures be sent, the last of which have to be this; looked at when all is over."""
            count = len(peer.camera.pictures()) + 15
            await peer.until(lambda: len(peer.camera.pictures()) >= count)
            marks.append((count, what, of))

        await pupils_see("stand-in", "nobody looked at any view")
        await find_right(room, "board")
        await pupils_see("masked", "the board was found right")
        view = await shows(room, lambda view: view["ptz"]["presets"][0]["picture"])
        assert view["ptz"]["presets"][1]["picture"] is None
        thumbnail = await room.panel.get("/api/camera/preset/board.jpg")
        assert seen(unpacked(thumbnail.content)) == "masked"
        assert seen(unpacked((await comes(room, "/api/preview/camera.jpg")).content)) == "masked"

        while camera.view[0] < 20:
            await room.press("camera/hold", {"press": "a", "pan": 1})
            assert (await room.view())["masks"]["cover"] == "moving"
        await room.press("camera/release", {"press": "a"})
        await shows(room, lambda view: view["masks"]["cover"] == "adrift")
        await pupils_see("stand-in", "turned by hand on the panel")
        await room.press("camera/recall", {"preset": "board"})
        await shows(room, lambda view: view["masks"]["cover"] is None)
        await pupils_see("masked", "back on the board")

        camera._view = (60.0, 0.0, 0.0)  # somebody's remote control
        began_s = time.monotonic()
        await shows(room, lambda view: view["masks"]["cover"])
        assert time.monotonic() - began_s < 1.0
        await room.press("camera/recall", {"preset": "board"})
        view = await shows(room, lambda view: view["masks"]["to_check"])
        assert view["masks"]["cover"] == "moved"
        await pupils_see("stand-in", "void after the remote control")
        await find_right(room, "teacher")
        await pupils_see("everything", "teacher has no mask")
        await room.press("lesson/stop")
        await room.state_is("idle")
        await shows(room, lambda view: not any(preset["picture"] for preset in view["ptz"]["presets"]))
        assert (await room.panel.get("/api/camera/preset/board.jpg")).status_code == 204
    await peer.close()
    sent = [seen(frame.to_ndarray()) for frame in decoded(peer.camera, peer.codec)]
    assert [(of, set(sent[count - 4 : count])) for count, _, of in marks] == [(of, {what}) for _, what, of in marks]
    assert "everything" not in sent[: marks[-2][0]]
    assert not any(b"\xff\xd8\xff" in kept for kept in on_disk(tmp_path)), "no picture is stored"


def on_disk(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


def unpacked(jpeg: bytes) -> np.ndarray:
    codec = av.CodecContext.create("mjpeg", "r")
    frames = [*codec.decode(av.Packet(jpeg)), *codec.decode(None)]
    assert isinstance(frames[0], av.VideoFrame)
    return np.asarray(frames[0].reformat(format="yuv420p", dst_color_range="MPEG").to_ndarray())


async def test_a_camera_that_does_not_turn_is_masked_from_the_first_picture(
    broker: Broker, centre: Centre, tmp_path: Path
) -> None:
    peer = Peer()
    mask = {"polygon": [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]}
    camera = {**SIMULATED["camera"], "width_px": 640, "height_px": 360}
    devices = {**SIMULATED, "camera": camera, "mask": [mask]}
    async with running_room(room_settings(broker, tmp_path, devices)) as room:
        await room.press("lesson/start")
        view = await room.state_is("live", "degraded")
        assert (view["ptz"], view["masks"]) == (None, {"cover": None, "to_check": None})
        answer = await centre.call("rtc.offer", RtcOffer(viewer="v-1", sdp=await peer.offer()))
        await peer.pc.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        await peer.until(lambda: len(peer.camera.pictures()) > 15)
        history = {seen(frame.to_ndarray()) for frame in decoded(peer.camera, peer.codec)}
        assert history <= {"masked", "stand-in"}
        assert "masked" in history
        answer_ = await room.press("camera/hold", {"press": "a", "pan": 1})
        assert (answer_.status_code, answer_.json()["code"]) == (409, "device-unsupported")
    await peer.close()


async def previews(room: Room, what: str) -> bool:
    """Say whether that is what the panel shows of the camera."""
    return seen(unpacked((await comes(room, "/api/preview/camera.jpg")).content)) == what


async def test_a_camera_of_another_shape_is_covered_until_somebody_looked(broker: Broker, tmp_path: Path) -> None:
    """It was replaced by another one: what its masks hide there, nobody knows."""
    for height_px, cover in ((360, None), (480, "moved")):
        camera = {**SIMULATED["camera"], "width_px": 640, "height_px": height_px}
        devices = {**SIMULATED, "camera": camera, "mask": [RIGHT_ALONE]}
        async with running_room(room_settings(broker, tmp_path, devices)) as room:
            await room.press("lesson/start")
            await room.state_is("live", "degraded")
            await shows(room, lambda view, cover=cover: view["masks"]["cover"] == cover)
            await until(partial(previews, room, "stand-in" if cover else "masked"))
            await until((room.settings.state_dir / "camera-views.json").exists, "the shape is kept")
            if cover:
                await comes(room, "/api/camera/check.jpg")
                assert (await room.press("camera/confirm", {"view": "camera"})).status_code == 200
                await shows(room, lambda view: view["masks"]["cover"] is None)
            await room.press("lesson/stop")
            await room.state_is("idle")


# --- the class --------------------------------------------------------------------------------------------------------


async def test_the_class_is_offered_once_it_was_looked_at_and_until_the_camera_moves(
    broker: Broker, tmp_path: Path
) -> None:
    camera = stored()
    async with visca_room(broker, tmp_path, camera, ptz={"class_preset": True}) as room:

        def offered(view: dict[str, Any]) -> bool:
            return "class" in [preset["name"] for preset in view["ptz"]["presets"]]

        view = await room.view()
        assert (view["ptz"]["class_preset"], offered(view)) == ("unchecked", False)
        answer = await room.press("camera/recall", {"preset": "class"})
        assert (answer.status_code, answer.json()["code"]) == (409, "preset-void")
        assert camera.view == BOARD
        await room.press("lesson/start")
        await room.state_is("live", "degraded")
        await find_right(room, "class")
        view = await room.view()
        assert (view["ptz"]["class_preset"], offered(view)) == ("offered", True)
        assert (await room.press("camera/recall", {"preset": "board"})).status_code == 200
        await shows(room, lambda view: current(view) == ["board"])
        assert (await room.press("camera/recall", {"preset": "class"})).status_code == 200
        await shows(room, lambda view: current(view) == ["class"])
        camera._view = (-600.0, 0.0, 0.0)  # by hand
        view = await shows(room, lambda view: view["masks"]["cover"])
        assert (view["ptz"]["class_preset"], offered(view)) == ("moved", False)
        answer = await room.press("camera/recall", {"preset": "class"})
        assert (answer.status_code, answer.json()["code"]) == (409, "preset-void")
        await find_right(room, "class")


async def test_a_class_that_nobody_found_right_is_covered_over_a_restart(broker: Broker, tmp_path: Path) -> None:
    camera = stored()
    async with visca_room(broker, tmp_path, camera, ptz={"class_preset": True}) as room:
        assert (await room.press("camera/recall", {"preset": "class", "to_check": True})).status_code == 200
        await shows(room, lambda view: view["masks"]["cover"] == "unchecked")
    async with visca_room(broker, tmp_path, camera, ptz={"class_preset": True}) as room:
        await room.press("lesson/start")
        await room.state_is("live", "degraded")
        await shows(room, lambda view: view["masks"]["cover"] == "adrift")
        assert seen(unpacked((await comes(room, "/api/preview/camera.jpg")).content)) == "stand-in"
        await room.press("camera/recall", {"preset": "teacher"})
        await shows(room, lambda view: view["masks"]["cover"] is None)


async def test_the_class_and_storing_are_behind_the_pin(broker: Broker, tmp_path: Path) -> None:
    camera = stored()
    (tmp_path / "pin").write_text(hash_pin("4711"))
    panel = {"port": free_port(), "pin_file": "pin"}
    async with visca_room(broker, tmp_path, camera, ptz={"class_preset": True}, panel=panel) as room:
        assert (await room.view())["ptz"]["class_preset"] == "locked"
        acts = {"recall": {"preset": "class"}, "store": {"preset": "board"}, "confirm": {"view": "class"}}
        for act, body in acts.items():
            answer = await room.press(f"camera/{act}", body)
            assert (answer.status_code, answer.json()["code"]) == (403, "panel-locked"), act
        for name in ("preset/class.jpg", "check.jpg"):
            assert (await room.panel.get(f"/api/camera/{name}")).status_code == 403
        assert (await room.press("camera/recall", {"preset": "teacher"})).status_code == 200
        assert (await room.press("unlock", {"pin": "4711"})).status_code == 200
        assert (await room.view())["ptz"]["class_preset"] == "unchecked"
        assert (await room.press("camera/store", {"preset": "board"})).status_code == 200
        assert camera.presets[1] == TEACHER
