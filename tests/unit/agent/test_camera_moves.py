"""A camera turns while somebody holds a button, and stands on every way out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.camera_moves import FOLLOW_S, PERSON_FIRST_S, STOP_TRIES, CameraMoves, PtzChoice
from agent.devices.login import LoginConfig
from agent.devices.ptz import Position, Preset, PtzCapability, PtzDriver, PtzInfo
from protocol.errors import (
    DeviceError,
    DeviceLostError,
    DeviceNotFoundError,
    DeviceNotNowError,
    DevicePasswordError,
    DeviceTimeoutError,
    DeviceUnsupportedError,
)
from tests.waiting import until

HOLD_S = 0.2
"""Renewed each fifth of it, on a machine that also has other tests to run."""
ALL: frozenset[PtzCapability] = frozenset({"pan-tilt", "zoom", "presets", "store-presets", "position"})


class Camera:
    """A camera that notes what it is told; ``fails`` and ``hangs`` name what it does not do, once for each entry."""

    def __init__(self, capabilities: frozenset[PtzCapability] = ALL) -> None:
        self.info = PtzInfo("scripted", "a camera", capabilities)
        self.told: list[object] = []
        self.fails: list[tuple[str, DeviceError]] = []
        self.hangs: set[str] = set()
        self.turns = False
        self.connections = 0
        self.connect_fails: list[DeviceError] = []
        self.driver = PtzDriver("scripted", LoginConfig, self.connect)

    @asynccontextmanager
    async def connect(self, _config: LoginConfig) -> AsyncIterator[Camera]:
        self.connections += 1
        if self.connect_fails:
            raise self.connect_fails.pop(0)
        self.told.append("connected")
        yield self

    @property
    def acts(self) -> list[object]:
        """What it was told to do, without what it was asked, and without the stop of its first connection."""
        acts = [one for one in self.told if one != "position"]
        return ["connected", *acts[2:]] if acts[:2] == ["connected", "stop"] else acts

    async def _do(self, what: str, *details: object) -> None:
        if what in self.hangs:
            await asyncio.get_running_loop().create_future()
        if self.fails and self.fails[0][0] == what:
            raise self.fails.pop(0)[1]
        self.told.append((what, *details) if details else what)

    async def move(self, pan: float, tilt: float, zoom: float) -> None:
        self.turns = True  # it may have heard a command whose answer was lost
        await self._do("move", pan, tilt, zoom)

    async def stop(self) -> None:
        await self._do("stop")
        self.turns = False

    async def recall(self, preset: str) -> None:
        await self._do("recall", preset)

    async def store(self, preset: str) -> None:
        await self._do("store", preset)

    async def presets(self) -> Sequence[Preset]:
        return ()

    async def position(self) -> Position:
        await self._do("position")
        return Position(1, 2, 3)


class Watcher:
    """Notes what it hears among what the camera is told."""

    def __init__(self, told: list[object]) -> None:
        self._told = told

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_details: self._told.append(f"watcher: {name}")

    def look_s(self) -> float:
        return 60.0


@asynccontextmanager
async def moving(
    camera: Camera, *, look_s: float = 60.0, config: LoginConfig | None = None, watcher: Watcher | None = None
) -> AsyncIterator[CameraMoves]:
    """Run the camera's owner; wait until it is connected, if it can be."""

    async def sleep(_seconds: float) -> None:
        await asyncio.sleep(0)

    choice = PtzChoice(camera.driver, config or LoginConfig(), {"board": "1", "teacher": "2"})
    moves = CameraMoves(choice, hold_s=HOLD_S, look_s=look_s, sleep=sleep, watcher=watcher)
    life = asyncio.create_task(moves.run(), name="camera moves")
    try:
        await until(lambda: moves.info is not None or moves.problem is not None)
        yield moves
    finally:
        life.cancel()
        await asyncio.wait([life])


async def test_a_held_button_turns_the_camera_and_letting_go_stops_it() -> None:
    camera = Camera()
    async with moving(camera) as moves:
        moves.hold(-1, 0.5, 0)
        await until(lambda: camera.turns)
        moves.release()
        await until(lambda: not camera.turns)
    assert camera.acts == ["connected", ("move", -1, 0.5, 0), "stop"]


async def test_a_button_that_nobody_renews_is_let_go_by_itself() -> None:
    camera = Camera()
    async with moving(camera) as moves:
        began_s = asyncio.get_running_loop().time()
        moves.hold(1, 0, 0)
        await until(lambda: camera.acts[-1] == "stop")
        took_s = asyncio.get_running_loop().time() - began_s
    assert HOLD_S <= took_s < HOLD_S + 0.1


async def test_a_button_that_is_renewed_goes_on() -> None:
    camera = Camera()
    async with moving(camera) as moves:
        for _ in range(20):
            moves.hold(1, 0, 0)
            await asyncio.sleep(HOLD_S / 5)
            assert "stop" not in camera.acts
        await until(lambda: camera.acts[-1] == "stop")


async def test_a_tap_shorter_than_a_look_leaves_nothing_behind() -> None:
    camera = Camera()
    async with moving(camera, look_s=0.001) as moves:
        for _ in range(20):
            moves.hold(1, 0, 0)
            moves.release()
            await asyncio.sleep(0.001)
        async with asyncio.timeout(1):
            await moves.recall("board")
    assert not moves.is_turning


async def test_who_watches_hears_of_it_before_the_camera_does() -> None:
    """For what the camera shows has to be covered before it turns."""
    camera = Camera()
    async with moving(camera, watcher=Watcher(camera.told)) as moves:
        moves.hold(1, 0, 0)
        assert camera.told.index("watcher: turning") == len(camera.told) - 1
        assert not camera.turns
        await until(lambda: camera.turns)
        moves.release()
        await until(lambda: camera.told[-1] in ("watcher: looked", "watcher: standing"))
        assert camera.told.index("stop") < camera.told.index("watcher: standing")
        await moves.recall("board")
        assert camera.told.index("watcher: recalling") == camera.told.index(("recall", "1")) - 1
        camera.fails = [("recall", DeviceError("busy"))]
        with pytest.raises(DeviceError):
            await moves.recall("board")
        assert "watcher: recall_failed" in camera.told
        await moves.store("board")
        assert camera.told.index("watcher: stored") > camera.told.index(("store", "1"))
    assert camera.told[-1] == "watcher: lost"


async def test_another_direction_is_taken_without_a_stop_between() -> None:
    camera = Camera()
    async with moving(camera) as moves:
        moves.hold(1, 0, 0)
        await until(lambda: camera.turns)
        moves.hold(0, -1, 0)
        await until(lambda: ("move", 0, -1, 0) in camera.told)
        moves.hold(0, 0, 0)
        await until(lambda: not camera.turns)
    assert camera.acts.count("stop") == 1


async def test_a_camera_whose_owner_is_cancelled_stands() -> None:
    camera = Camera()
    async with moving(camera) as moves:
        moves.hold(1, 0, 0)
        await until(lambda: camera.turns)
    assert not camera.turns


async def test_a_move_that_hangs_ends_with_the_hold() -> None:
    camera = Camera()
    camera.hangs = {"move"}
    async with moving(camera) as moves:
        moves.hold(1, 0, 0)
        await until(lambda: camera.acts[-1] == "stop")
        assert not camera.turns


async def test_a_move_that_fails_is_followed_by_a_stop() -> None:
    camera = Camera()
    camera.fails = [("move", DeviceTimeoutError("the camera did not answer"))]
    async with moving(camera) as moves:
        moves.hold(1, 0, 0)
        await until(lambda: camera.told.count("connected") == 2)
        assert camera.acts[:3] == ["connected", "stop", "connected"]
        assert not camera.turns


async def test_a_stop_that_fails_is_tried_again() -> None:
    camera = Camera()
    async with moving(camera) as moves:
        moves.hold(1, 0, 0)
        await until(lambda: camera.turns)
        camera.fails = [("stop", DeviceError("busy"))] * (STOP_TRIES - 1)
        moves.release()
        await until(lambda: not camera.turns)
    assert camera.connections == 1


async def test_a_connection_lost_while_turning_begins_anew_with_a_stop() -> None:
    camera = Camera()
    async with moving(camera) as moves:
        moves.hold(1, 0, 0)
        await until(lambda: camera.turns)
        camera.fails = [("stop", DeviceLostError("the cable was pulled"))]
        camera.connect_fails = [DeviceLostError("still away")] * 3
        moves.release()
        await until(lambda: camera.told.count("connected") == 2)
        await until(lambda: not camera.turns)
        assert camera.connections == 5
        assert camera.acts[-2:] == ["connected", "stop"]
        await until(lambda: moves.info is not None)


async def test_a_camera_that_a_killed_agent_left_turning_stands_once_it_is_connected() -> None:
    camera = Camera()
    camera.turns = True
    camera.fails = [("stop", DeviceTimeoutError("the camera did not answer"))]
    async with moving(camera) as moves:
        await until(lambda: moves.info is not None)
        assert not camera.turns
        camera.fails = [("position", DeviceLostError("the cable was pulled"))]
        moves.look_soon()
        await until(lambda: camera.told.count("connected") == 2)
        await until(lambda: moves.info is not None)
    assert camera.told.count("stop") == 1, "it is not stopped by each connection"


async def test_a_camera_that_refuses_to_stop_while_it_stands_is_taken_over_all_the_same() -> None:
    camera = Camera()
    camera.fails = [("stop", DeviceNotNowError("it is in standby"))] * STOP_TRIES
    async with moving(camera) as moves:
        assert (camera.connections, moves.info) == (1, camera.info)


async def test_while_the_camera_is_away_nothing_is_remembered_for_later() -> None:
    camera = Camera()
    camera.connect_fails = [DeviceLostError("the camera is off")] * 1000
    async with moving(camera) as moves:
        with pytest.raises(DeviceLostError, match="the camera is off"):
            moves.hold(1, 0, 0)
        with pytest.raises(DeviceLostError, match="the camera is off"):
            await moves.recall("board")
        camera.connect_fails.clear()
        await until(lambda: moves.info is not None)
        await asyncio.sleep(0.01)
    assert camera.acts == ["connected"]


async def test_a_preset_is_recalled_after_the_stop_of_what_was_held() -> None:
    camera = Camera()
    async with moving(camera) as moves:
        moves.hold(1, 0, 0)
        await until(lambda: camera.turns)
        await moves.recall("teacher")
        assert camera.acts == ["connected", ("move", 1, 0, 0), "stop", ("recall", "2")]
        await moves.store("board")
        assert camera.acts[-1] == ("store", "1")


async def test_a_preset_that_is_not_configured_is_answered_with_those_there_are() -> None:
    camera = Camera()
    async with moving(camera) as moves:
        with pytest.raises(DeviceUnsupportedError, match=r'no preset "class".*"board", "teacher"') as caught:
            await moves.recall("class")
    assert caught.value.code == "preset-not-found"
    assert camera.acts == ["connected"]


@pytest.mark.parametrize("speeds", [(1.5, 0, 0), (0, float("nan"), 0), (0, 0, -1.01)])
def test_speeds_outside_of_minus_one_to_one_are_refused(speeds: tuple[float, float, float]) -> None:
    with pytest.raises(DeviceUnsupportedError, match="-1 to 1"):
        CameraMoves(PtzChoice(Camera().driver, LoginConfig())).hold(*speeds)


@pytest.mark.parametrize(("speeds", "able"), [((1, 0, 0), "zoom"), ((0, 0, 1), "pan-tilt")])
async def test_what_the_camera_cannot_do_is_refused_at_once(
    speeds: tuple[float, float, float], able: PtzCapability
) -> None:
    camera = Camera(frozenset({able}))
    async with moving(camera) as moves:
        with pytest.raises(DeviceUnsupportedError, match="cannot"):
            moves.hold(*speeds)
        assert not camera.turns


async def test_the_program_turns_it_only_while_no_person_did_so_a_moment_ago() -> None:
    camera, now_s = Camera(), [100.0]
    moves = CameraMoves(PtzChoice(camera.driver, LoginConfig(), {"teacher": "2"}), clock=lambda: now_s[0])
    life = asyncio.create_task(moves.run(), name="camera moves")
    await until(lambda: moves.info is not None)
    moves.follow(0.1, 0, 0)
    await until(lambda: camera.acts[-1] == ("move", 0.1, 0, 0))
    moves.follow(0, 0, 0)
    await until(lambda: camera.acts[-1] == "stop")
    for by_person in ("hold", "recall"):
        if by_person == "hold":
            moves.hold(-1, 0, 0)
            moves.follow(0.1, 0, 0)
            await until(lambda: camera.acts[-1] == ("move", -1, 0, 0))
            moves.follow(0, 0, 0)
            assert camera.turns
            moves.release()
            await until(lambda: camera.acts[-1] == "stop")
        else:
            await moves.recall("teacher")
        done = list(camera.acts)
        now_s[0] += PERSON_FIRST_S - 1
        assert moves.is_a_persons
        moves.follow(0.1, 0, 0)
        for _ in range(20):
            await asyncio.sleep(0)
        assert camera.acts == done
        now_s[0] += 2
        moves.follow(0.1, 0, 0)
        await until(lambda: camera.acts[-1] == ("move", 0.1, 0, 0))
        moves.follow(0, 0, 0)
        await until(lambda: camera.acts[-1] == "stop")
    life.cancel()
    await asyncio.wait([life])


async def test_a_camera_that_follows_goes_on_between_two_looks_of_a_slow_machine_and_then_stands() -> None:
    camera = Camera()
    async with moving(camera) as moves:
        began_s = asyncio.get_running_loop().time()
        moves.follow(0.1, 0, 0)
        await until(lambda: camera.acts[-1] == "stop")
        took_s = asyncio.get_running_loop().time() - began_s
    assert 1.0 < FOLLOW_S <= took_s < FOLLOW_S + 0.3
    assert camera.acts.count("stop") == 1


async def test_an_idle_camera_that_is_lost_is_known_before_somebody_presses() -> None:
    camera = Camera()
    async with moving(camera, look_s=0.01) as moves:
        await until(lambda: moves.position == Position(1, 2, 3))
        camera.fails = [("position", DeviceTimeoutError("no answer"))]
        await until(lambda: camera.connections == 2)


async def test_a_refused_password_is_not_tried_again_before_its_file_has_changed(tmp_path: Path) -> None:
    camera, file = Camera(), tmp_path / "password"
    file.write_text("old")
    camera.connect_fails = [DevicePasswordError("refused")]
    async with moving(camera, config=LoginConfig(user="admin", password_file=file)) as moves:
        for _ in range(50):
            await asyncio.sleep(0)
        assert camera.connections == 1
        assert moves.problem is not None
        file.write_text("new one")
        await until(lambda: moves.info is not None)
        assert moves.problem is None


async def test_an_adapter_that_is_plugged_in_has_a_camera_that_is_away_tried_at_once() -> None:
    async def for_ever(_seconds: float) -> None:
        await asyncio.get_running_loop().create_future()

    camera = Camera()
    camera.connect_fails = [DeviceNotFoundError("/dev/estrade/ptz does not exist")]
    moves = CameraMoves(PtzChoice(camera.driver, LoginConfig()), sleep=for_ever)
    life = asyncio.create_task(moves.run(), name="camera moves")
    await until(lambda: moves.problem is not None)
    moves.nudge()
    await until(lambda: moves.info is not None)
    life.cancel()
    with pytest.raises(asyncio.CancelledError):
        await life
