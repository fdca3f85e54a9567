"""Auto-framing at work: in a real room on a filmed teacher, and with a camera that really turns."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from agent.auto_framing import AutoFraming, FramingSettings
from agent.camera_moves import CameraMoves, PtzChoice
from agent.devices.visca import ViscaConfig, driver
from agent.framing.detector import PersonDetector
from agent.framing.people import Person, Tile
from agent.framing.watcher import MOST_OF_A_CORE
from agent.media import Frame, FrameFilters
from protocol.errors import LessonTransitionError
from protocol.panel import FramingDoing
from tests.broker import Broker
from tests.fakes.teacher import Classroom
from tests.fakes.visca_camera import ViscaCamera, udp_camera
from tests.integration.agent.conftest import SIMULATED, Room, room_settings, running_room
from tests.waiting import until

pytestmark = pytest.mark.timed

FRAME_S = 1 / 15
Rgb = NDArray[np.uint8]


def film(path: Path, x: float) -> None:
    """Write a second of a teacher who stands at ``x``."""
    picture = Classroom(noise=0).frame(0.0, [x], 0.22)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=15)
        stream.width, stream.height, stream.pix_fmt = picture.width_px, picture.height_px, "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "20"}
        for _ in range(15):
            frame = av.VideoFrame.from_ndarray(picture.image, format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


async def sent_picture(room: Room) -> Rgb | None:
    """Return what pupils get of the camera, small."""
    answer = await room.panel.get("/api/preview/camera.jpg")
    if answer.status_code != 200:
        return None
    with av.open(io.BytesIO(answer.content), "r") as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24").astype(np.uint8)


def orange(picture: Rgb) -> tuple[float, float]:
    """Return which share of the picture the teacher's suit takes, and where its middle is across."""
    red, green, blue = (picture[..., channel].astype(int) for channel in range(3))
    suit = (red > 150) & (red - blue > 70) & (red - green > 40)
    return float(suit.mean()), float(np.nonzero(suit)[1].mean() / picture.shape[1])


async def look_until(room: Room, good: Callable[[dict[str, Any], float, float], bool], what: str) -> None:
    async with asyncio.timeout(25):
        while True:
            picture, view = await sent_picture(room), await room.view()
            if picture is not None:
                share, middle = orange(picture)
                if share and good(view["framing"], share, middle):
                    return
            await asyncio.sleep(0.2)
    raise AssertionError(what)


async def test_a_room_shows_its_teacher_near_when_somebody_turns_it_on(broker: Broker, tmp_path: Path) -> None:
    film(tmp_path / "class.mp4", 0.25)
    devices = {"camera": {"driver": "file", "path": str(tmp_path / "class.mp4")}, "framing": {"mode": "crop"}}
    settings = room_settings(broker, tmp_path, devices)
    async with running_room(settings) as room:
        assert (await room.view())["framing"] == {"mode": "crop", "is_on": False, "doing": "off"}
        refused = await room.press("lesson/framing", {"on": True})
        assert (refused.status_code, refused.json()["code"]) == (409, "lesson-transition")
        await room.press("lesson/start")
        await room.state_is("live")
        await look_until(room, lambda told, share, middle: 0.2 < middle < 0.3, "the whole picture at first")
        picture = await sent_picture(room)
        assert picture is not None
        whole, _ = orange(picture)
        assert (await room.press("lesson/framing", {"on": True})).json()["framing"]["is_on"]
        await look_until(
            room,
            lambda told, share, middle: told["doing"] == "following" and share > whole * 2.5 and 0.3 < middle < 0.6,
            "near",
        )
        await room.press("lesson/framing", {"on": False})
        await look_until(
            room, lambda told, share, middle: told["doing"] == "off" and share < whole * 1.2, "whole again"
        )
        await room.press("lesson/stop")


async def test_a_room_turns_its_camera_to_a_teacher_at_the_side(broker: Broker, tmp_path: Path) -> None:
    film(tmp_path / "class.mp4", 0.85)
    camera = ViscaCamera(zooms=False)
    async with udp_camera(camera, is_sony=True) as port:
        devices = {
            "camera": {"driver": "file", "path": str(tmp_path / "class.mp4")},
            "ptz": {"driver": "visca", "transport": "sony-udp", "host": "127.0.0.1", "port": port},
            "framing": {"mode": "ptz", "at_start": True},
        }
        async with running_room(room_settings(broker, tmp_path, devices)) as room:
            await room.press("lesson/start")
            await room.state_is("live")
            await look_until(room, lambda told, share, middle: camera.speed[0] > 0, "turns to the right")
            told = (await room.view())["framing"]
            assert told == {"mode": "ptz", "is_on": True, "doing": "following"}
            await room.press("lesson/stop")
            await until(lambda: camera.stands, "stands after the lesson")


async def test_a_room_without_the_table_has_no_framing(broker: Broker, tmp_path: Path) -> None:
    async with running_room(room_settings(broker, tmp_path, SIMULATED)) as room:
        assert (await room.view())["framing"] is None
        assert (await room.press("lesson/framing", {"on": True})).status_code == 422


def test_nothing_of_it_is_loaded_before_it_is_turned_on() -> None:
    code = "import sys, agent.app; print([name for name in sys.modules if 'litert' in name or 'agent.framing' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class Stage:
    """Frames of a drawn room through the filters, at a camera's pace; ``x`` says where the teacher is now."""

    def __init__(self, x: Callable[[], float], height: float = 0.22) -> None:
        self.filters = FrameFilters()
        self.sent: list[Frame] = []
        self._x, self._height = x, height
        self._classroom = Classroom(noise=0)

    @asynccontextmanager
    async def playing(self) -> AsyncIterator[None]:
        async def play() -> None:
            while True:
                began_s = time.monotonic()
                frame = self._classroom.frame(began_s, [self._x()], self._height)
                self.sent.append(await asyncio.to_thread(self.filters.apply, frame))
                await asyncio.sleep(max(0.0, FRAME_S - (time.monotonic() - began_s)))

        playing = asyncio.create_task(play(), name="camera")
        try:
            yield
        finally:
            playing.cancel()
            await asyncio.wait([playing])


async def test_it_looks_at_masked_pictures_and_shows_what_is_masked_masked() -> None:
    """The mask, added later, still meets the whole picture; nobody beneath it is ever found."""
    stage = Stage(lambda: 0.25)
    looked: list[Frame] = []

    class Noting:
        def find(self, frame: Frame, tile: Tile) -> list[Person]:
            looked.append(frame)
            return [Person(0.75, 0.5, 0.75)]

    framing = AutoFraming(FramingSettings(mode="crop"), stage.filters, None, make=Noting)

    def mask(frame: Frame) -> Frame:
        image = frame.image.copy()
        image[: frame.height_px, : frame.width_px // 2] = 0
        return frame.with_image(image)

    stage.filters.add(mask)
    framing.lesson_is(True)
    framing.turn(is_on=True)
    async with stage.playing():
        await until(lambda: framing.doing == "following" and len(stage.sent) > 45, "follows")
    framing.close()
    assert looked
    assert all(not frame.image[:720, :640].any() for frame in looked)
    dark = [int((frame.image[360] == 0).sum()) for frame in stage.sent]
    assert dark[0] == 640
    assert dark[-1] < 560  # moved aside with all of the picture
    assert all(later <= before + 1 for before, later in pairwise(dark))


async def test_a_model_that_cannot_be_read_leaves_the_picture_whole_and_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"not a model")
    stage, told = Stage(lambda: 0.25), list[FramingDoing]()
    framing = AutoFraming(
        FramingSettings(mode="crop", at_start=True),
        stage.filters,
        None,
        on_change=lambda: told.append(framing.doing),
        make=lambda: PersonDetector(broken),
    )
    framing.lesson_is(True)
    async with stage.playing():
        await until(lambda: "failed" in told, "told")
        await until(lambda: len(stage.sent) > 3, "sent")
    assert framing.view().is_on is False
    assert stage.sent[-1].image is not None
    framing.turn(is_on=False)
    assert framing.doing == "off"


async def test_withheld_the_picture_is_whole_at_once_and_nobody_is_looked_for() -> None:
    stage, may_follow = Stage(lambda: 0.25), [True]
    looks = [0]

    class Counting:
        def find(self, frame: Frame, tile: Tile) -> list[Person]:
            looks[0] += 1
            return [Person(0.3, 0.5, 0.75)]

    framing = AutoFraming(
        FramingSettings(mode="crop", at_start=True),
        stage.filters,
        None,
        may_follow=lambda: may_follow[0],
        make=Counting,
    )
    given: set[int] = set()

    def note(frame: Frame) -> Frame:
        given.add(id(frame.image))
        return frame

    def is_whole() -> bool:
        return id(stage.sent[-1].image) in given

    stage.filters.add(note)
    framing.lesson_is(True)
    async with stage.playing():
        await until(lambda: looks[0] > 3 and not is_whole(), "follows")
        may_follow[0] = False
        count = len(stage.sent)
        await until(lambda: len(stage.sent) > count + 8, "goes on")
        seen = looks[0]
        await until(lambda: len(stage.sent) > count + 16, "goes on")
        assert framing.doing == "waiting"
        assert looks[0] == seen
        assert is_whole()
        whole, count = stage.sent[-1].image.astype(int), len(stage.sent)
        may_follow[0] = True
        await until(lambda: len(stage.sent) > count + 1, "begins anew")
        assert np.abs(stage.sent[count + 1].image - whole).mean() < 5
    framing.close()


async def test_it_works_in_a_lesson_alone_and_each_begins_as_configured() -> None:
    stage = Stage(lambda: 0.25)
    framing = AutoFraming(FramingSettings(mode="crop"), stage.filters, None)
    with pytest.raises(LessonTransitionError):
        framing.turn(is_on=True)
    framing.lesson_is(True)
    framing.turn(is_on=True)
    assert framing.view().is_on
    framing.lesson_is(False)
    framing.lesson_is(True)
    assert not framing.view().is_on
    framing.close()


@asynccontextmanager
async def turning(camera: ViscaCamera) -> AsyncIterator[CameraMoves]:
    """A camera that turns, connected."""
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(udp_camera(camera, is_sony=True))
        config = ViscaConfig.model_validate({"transport": "sony-udp", "host": "127.0.0.1", "port": port})
        moves = CameraMoves(PtzChoice(driver, config))
        life = asyncio.create_task(moves.run(), name="camera moves")
        try:
            await until(lambda: moves.info is not None, "connected")
            yield moves
        finally:
            life.cancel()
            await asyncio.wait([life])


async def test_the_camera_turns_to_the_teacher_and_a_person_has_it_whenever_they_want() -> None:
    """What the camera sees goes by where it has turned to: 300 of its steps are the picture's width."""
    camera = ViscaCamera(zooms=False)
    speeds: set[int] = set()

    def x() -> float:
        speeds.add(camera.speed[0])
        return 0.85 - camera.view[0] / 300

    stage = Stage(x, height=0.6)
    async with turning(camera) as moves:
        framing = AutoFraming(FramingSettings(mode="ptz", at_start=True), stage.filters, moves)
        framing.lesson_is(True)
        began_s = time.monotonic()
        async with stage.playing():
            await until(lambda: abs(x() - 0.5) < 0.15 and camera.stands and len(speeds) > 1, "in the middle", 25)
            doings = [framing.doing]
            assert 0 < max(speeds) <= 6  # of 24
            moves.hold(-0.5, 0, 0)
            await until(lambda: camera.speed[0] == -12, "a person turns it", 2)
            assert [*doings, framing.doing] == ["following", "waiting"]
            await until(lambda: camera.stands, "let go", 2)
            place, there = camera.view, x()
            assert there > 0.5
            count = len(stage.sent)
            await until(lambda: len(stage.sent) > count + 30, "two seconds go by")
            assert camera.view == place
        watched_s = time.monotonic() - began_s
        counts = framing.close()
    assert counts is not None
    assert counts.busy_s <= watched_s * MOST_OF_A_CORE + 0.1


def test_the_part_that_is_sent_is_made_of_the_frame_alone() -> None:
    """Off, or before anybody was seen, the frame itself goes out, not a copy."""
    filters = FrameFilters()
    framing = AutoFraming(FramingSettings(mode="crop"), filters, None)
    frame = Classroom(noise=0).frame(1.0, [0.5])
    assert filters.apply(frame) is frame
    assert filters.apply(replace(frame, sequence=9)).sequence == 9
    assert framing.doing == "off"
