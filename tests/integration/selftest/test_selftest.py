"""A room is tested on real parts: an X server is the board, a camera films it, sound crosses the air in 60 ms."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import wave
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from Xlib import X
from Xlib.display import Display
from Xlib.ext import xtest

from agent.config import RoomSettings
from agent.device_slot import DeviceChoice
from agent.devices import x11
from agent.devices.pulse import PulseConfig
from agent.devices.pulse import driver as sound_driver
from agent.media import SAMPLE_RATE_HZ
from agent.selftest.runner import WHOLE
from protocol.errors import CommandError
from protocol.messages import ControllerStatus, DeviceRole, SelfTestNumbers, SelfTestRun
from protocol.topics import controller_status
from tests.broker import Broker
from tests.integration.agent.conftest import Centre, Room, centre, room_settings, running_room
from tests.integration.devices.conftest import ROOT
from tests.integration.devices.soundserver import SoundServer, sound_server
from tests.integration.devices.test_drivers import x_server
from tests.integration.selftest import film_camera, locked_camera
from tests.waiting import until

pytestmark = pytest.mark.timed

__all__ = ["centre"]  # a fixture

PATH_MS = 60
PATH = ("module-loopback", "source=speaker.monitor", "sink=room", f"latency_msec={PATH_MS}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoundServer]:
    """A sound server in whose room the loudspeaker is heard 60 ms later."""
    with sound_server(tmp_path_factory.mktemp("sound")) as server:
        server.pactl("load-module", *PATH)
        yield server


@pytest.fixture
def hum(server: SoundServer, tmp_path: Path) -> Iterator[None]:
    """The faint noise of a room: a microphone that is on hears something."""
    noise = np.random.default_rng(1).standard_normal(30 * SAMPLE_RATE_HZ) * 32767 * 10 ** (-60 / 20)
    path = tmp_path / "noise.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
        file.writeframes(noise.astype(np.int16).tobytes())
    playing = server.play(path, "room")
    yield
    playing.kill()
    playing.wait()


@pytest.fixture(scope="module")
def screen() -> Iterator[str]:
    with x_server("-noreset") as (display, _):
        yield display


@pytest.fixture(autouse=True)
def at_home(server: SoundServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the capture processes find the sound server and the drivers of these tests."""
    for name in ("XDG_RUNTIME_DIR", "HOME", "DBUS_SESSION_BUS_ADDRESS"):
        monkeypatch.setenv(name, server.environment[name])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))))


MakeRoom = Callable[..., RoomSettings]


@pytest.fixture
def made(broker: Broker, tmp_path: Path, screen: str) -> MakeRoom:
    """Return the settings of a room with all three devices."""

    def make(**camera: Any) -> RoomSettings:
        film = film_camera.FilmCameraConfig(display=screen, **camera)
        sound = PulseConfig(source="room.monitor", sink="speaker")
        choices = (
            DeviceChoice("camera", DeviceRole.CAMERA, film_camera.driver, film),
            DeviceChoice("microphone", DeviceRole.MICROPHONE, sound_driver, sound),
            DeviceChoice("board", DeviceRole.BOARD, x11.driver, x11.X11Config(display=screen, rate_hz=5)),
        )
        return room_settings(broker, tmp_path, devices={}).model_copy(update={"devices": choices})

    return make


async def over(room: Room) -> dict[str, Any]:
    """Wait for the end of the test and return its whole view."""

    async def is_over() -> bool:
        view = (await room.view())["selftest"]
        return view is not None and view["state"] in ("done", "stopped")

    await until(is_over, most_s=20.0)
    return dict((await room.view())["selftest"])


async def until_step(room: Room, step: str, *states: str) -> None:
    """Wait until a step is in one of these states."""

    async def is_there() -> bool:
        view = (await room.view())["selftest"]
        return view is not None and steps(view)[step]["state"] in states

    try:
        await until(is_there, most_s=10.0)
    except AssertionError:
        states_now = {step["id"]: (step["state"], step["message"]) for step in (await room.view())["selftest"]["steps"]}
        raise AssertionError(f"{step} is not {states} within 10 s: {states_now}") from None


def steps(view: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {step["id"]: step for step in view["steps"]}


def cards(screen: str) -> int:
    """Return how many cards lie over the board."""
    display = Display(screen)
    try:
        return sum(
            "estrade-card" in (window.get_wm_class() or ()) for window in display.screen().root.query_tree().children
        )
    finally:
        display.close()


async def test_a_good_room_passes_within_ten_seconds(
    centre: Centre, made: MakeRoom, server: SoundServer, hum: None
) -> None:
    online = ControllerStatus(online=True, sid="c-1", at=datetime.now(UTC))
    await centre.link.publish(controller_status("main"), online, retain=True)
    async with running_room(made()) as room:
        await until(lambda: centre.states, "the room is there")

        async def is_connected() -> bool:
            return bool((await room.view())["centre"] == "connected")

        await until(is_connected, most_s=5.0)
        assert (await room.press("selftest", {})).status_code == 200
        signs = set()
        while (view := await room.view())["selftest"]["state"] == "running":
            signs.add(view["sign"])
            await asyncio.sleep(0.05)
        found = steps(view["selftest"])
        assert view["selftest"]["state"] == "done"
        assert view["selftest"]["elapsed_s"] < 10
        assert list(found) == list(WHOLE)
        ill = [told for told in found.values() if told["state"] in ("failed", "warning") and told["id"] != "av-offset"]
        assert ill == []
        assert found["av-offset"]["unit"] == "ms", "how much it is here is the test machine's"
        assert {step for step, told in found.items() if told["state"] == "skipped"} == {"board-power", "turn"}
        assert PATH_MS <= found["loop"]["value"] <= 400
        assert signs == {"off"}, "a test is no lesson"
        assert not any(device["is_open"] for device in view["devices"])


async def doctor(
    settings: RoomSettings, folder: Path, *options: str, lacks: Sequence[str] = ()
) -> tuple[int, str, str]:
    """Run ``estrade doctor`` against a room; return its status and what it said.

    ``lacks``: without any program on the PATH, and without these packages.
    """
    config = folder / "doctor.toml"
    config.write_text(f'[panel]\nport = {settings.panel.port}\ntoken_file = "{settings.panel.token_file}"\n')
    hide = f"import sys; sys.modules.update(dict.fromkeys({list(lacks)!r}))"
    program = f"{hide}; from estrade.cli import main; sys.exit(main())"
    environment = os.environ | {"LC_ALL": "fr_FR.UTF-8"} | ({"PATH": ""} if lacks else {})
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, "doctor", "--config", str(config), *options,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment,
    )  # fmt: skip
    async with asyncio.timeout(40):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_what_is_wrong_is_told_with_what_to_do(
    made: MakeRoom, server: SoundServer, screen: str, tmp_path: Path
) -> None:
    """A camera turned away, a loudspeaker that is not heard and a microphone that is switched off, and no centre."""
    server.pactl("unload-module", "module-loopback")
    try:
        async with running_room(made(looks_away=True)) as room:
            status, out, err = await doctor(room.settings, tmp_path, "--json")
    finally:
        server.pactl("load-module", *PATH)
    assert (status, err) == (1, "")
    told = json.loads(out)
    assert (told["ok"], told["room"]["asked_by"], told["room"]["state"]) == (False, "doctor", "done")
    assert "port-8480" not in {finding["id"] for finding in told["findings"]}, "the agent's own"
    found = steps(told["room"])
    states = {step: told["state"] for step, told in found.items()}
    assert states["microphone"] == states["loop"] == "failed"
    assert states["board-seen"] == "warning"
    assert states["av-offset"] == states["uplink"] == "skipped"
    assert found["loop"]["value"] < 25
    for step in ("microphone", "loop", "board-seen"):
        assert found[step]["remedy"]["fr"] != found[step]["remedy"]["en"], step
    assert "input" in found["board-seen"]["remedy"]["en"]
    assert cards(screen) == 0


async def test_a_person_reads_each_step_as_it_ends_in_their_language(broker: Broker, tmp_path: Path) -> None:
    async with running_room(room_settings(broker, tmp_path, devices={})) as room:
        status, out, err = await doctor(room.settings, tmp_path)
        assert (status, err) == (1, ""), "no centre"
        assert "Image de la caméra\u00a0: Pas essayé\u00a0: la salle n’en a pas." in out
        assert "→ Prévenez l’équipe qui tient Estrade." in out
        await room.press("lesson/start")
        status, out, err = await doctor(room.settings, tmp_path)
        assert (status, err) == (2, "")
        assert "Une classe est en cours\u00a0: pour ne pas la déranger, caméra, micro, haut-parleur, tableau" in out
        assert "La salle est testée" not in out
        assert out.endswith("[selftest-not-now]\n")
        assert out.startswith("bien  Python"), "the machine is looked at"
        status, out, err = await doctor(room.settings, tmp_path, "--json")
        assert (status, err) == (2, "")
        told = json.loads(out)
        assert (told["ok"], told["room"], told["refusal"]["code"]) == (False, None, "selftest-not-now")
        assert "while the lesson is degraded" in told["refusal"]["message"]
        assert told["not_tried"] == ["camera", "microphone", "loudspeaker", "board", "network"]
        assert "python" in {finding["id"] for finding in told["findings"]}
    status, out, err = await doctor(room.settings, tmp_path)
    assert (status, out) == (2, "")
    assert "[not-ready]" in err


async def test_a_room_without_what_the_centre_needs_is_tested(broker: Broker, tmp_path: Path) -> None:
    """A mini-PC has no broker, and of Python what requirements/agent.txt brings."""
    async with running_room(room_settings(broker, tmp_path, devices={})) as room:
        status, out, err = await doctor(room.settings, tmp_path, "--json", lacks=("fastapi", "sqlalchemy"))
        assert (status, err) == (1, ""), "no centre"
        told = json.loads(out)
        assert [finding for finding in told["findings"] if finding["status"] == "missing"] == []
        assert told["room"]["state"] == "done"
        _, out, _ = await doctor(room.settings, tmp_path, "--json", lacks=("numpy",))
        assert [one["id"] for one in json.loads(out)["findings"] if one["status"] == "missing"] == ["python-numpy"]


async def test_a_lesson_that_begins_ends_the_doctors_test_and_its_own_is_not_taken_for_it(
    broker: Broker, tmp_path: Path
) -> None:
    async with running_room(room_settings(broker, tmp_path)) as room:
        asked = asyncio.create_task(doctor(room.settings, tmp_path))
        await until_step(room, "camera", "running", "ok")
        assert (await room.press("lesson/start")).json()["selftest"]["kind"] == "quiet"
        status, out, err = await asked
        assert (status, err) == (2, "")
        assert "Une classe est en cours" in out
        assert "[selftest-not-now]" in out


@pytest.mark.parametrize("token", ["of-another-run", None], ids=["another", "none"])
async def test_an_agent_of_another_state_folder_is_told_as_one(
    broker: Broker, tmp_path: Path, token: str | None
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if token is not None:
        (elsewhere / "panel-token").write_text(token, encoding="ascii")
    settings = room_settings(broker, tmp_path, devices={})
    async with running_room(settings):
        panel = settings.panel.model_copy(update={"token_file": elsewhere / "panel-token"})
        mistaken = settings.model_copy(update={"panel": panel})
        status, out, err = await doctor(mistaken, tmp_path)
        assert status == 2
        assert f"127.0.0.1:{panel.port} " in err
        assert f"{elsewhere / 'panel-token'}: it runs from another state folder; name its configuration" in err
        assert "[panel-token]" in err
        status, out, err = await doctor(mistaken, tmp_path, "--json")
        assert (status, err) == (2, "")
        told = json.loads(out)
        assert (told["ok"], told["room"], told["refusal"]["code"]) == (False, None, "panel-token")
        assert "another state folder" in told["refusal"]["message"]


async def test_a_loudspeaker_that_was_turned_down_is_told_against_the_rooms_normal_state(
    broker: Broker, tmp_path: Path, server: SoundServer, hum: None
) -> None:
    sound = PulseConfig(source="room.monitor", sink="speaker")
    choice = DeviceChoice("microphone", DeviceRole.MICROPHONE, sound_driver, sound)
    settings = room_settings(broker, tmp_path, devices={}).model_copy(update={"devices": (choice,)})

    async def loop(room: Room) -> dict[str, Any]:
        await room.press("selftest", {})
        return steps(await over(room))["loop"]

    async with running_room(settings) as room:
        status, out, err = await doctor(settings, tmp_path, "--calibrate", "--json")
        assert (status, err) == (0, "")
        assert json.loads(out) == {"ok": True, "normal_at": (await room.view())["normal_at"]}
        assert (await loop(room))["state"] == "ok"
        server.pactl("set-sink-input-volume", path_across(server), "45%")
        try:
            told = await loop(room)
        finally:
            server.pactl("set-sink-input-volume", path_across(server), "100%")
    assert (told["state"], told["unit"]) == ("warning", "dB")
    assert -25 <= told["value"] <= -15, "45 % are 21 dB less"
    assert "fainter than usual" in told["message"]["en"]


def path_across(server: SoundServer) -> str:
    """Return what plays the loudspeaker's sound in the room, 60 ms later."""
    playing = json.loads(server.pactl("--format=json", "list", "sink-inputs"))
    [index] = [one["index"] for one in playing if "loopback" in json.dumps(one["properties"])]
    return str(index)


async def test_start_takes_the_room_from_a_test_at_once(made: MakeRoom, screen: str) -> None:
    async with running_room(made()) as room:
        await room.press("selftest", {})
        await until_step(room, "loop", "running")
        await until_step(room, "board-seen", "running", "ok")
        answer = (await room.press("lesson/start")).json()
        pressed_s = time.monotonic()
        assert (answer["state"], answer["selftest"]["kind"]) == ("preparing", "quiet"), "the other one is over"
        await until(lambda: not cards(screen), "the board is free again", 0.3)
        view = await room.state_is("live", "degraded")
        assert time.monotonic() - pressed_s < 3.0
        assert view["state"] == "live", "no device was found in use"
        refused = await room.press("selftest", {})
        assert (refused.status_code, refused.json()["code"]) == (409, "selftest-not-now")
        quiet = await over(room)
        assert {step: told["state"] for step, told in steps(quiet).items()}["camera"] == "ok"
        await room.press("lesson/stop")
        assert (await room.state_is("idle"))["selftest"] is None


async def test_a_camera_that_is_lost_meanwhile_is_not_called_a_fault_of_the_test(made: MakeRoom, screen: str) -> None:
    async with running_room(made(looks_away=True)) as room:
        await room.press("selftest", {})
        await until_step(room, "board-seen", "running")
        await until(lambda: cards(screen), "the card is shown", 3.0)
        [camera] = [child for child in psutil.Process().children(recursive=True) if child.name() == "es-camera"]
        camera.kill()
        found = steps(await over(room))["board-seen"]
        assert found["state"] == "failed"
        assert found["message"]["en"] == "A device stopped during the test."
        assert cards(screen) == 0


async def test_a_password_that_was_refused_is_sent_again_only_when_it_has_changed(
    broker: Broker, tmp_path: Path
) -> None:
    """By however many tests, also after a lesson that met it: the camera would lock the account."""
    password, tries = tmp_path / "camera.password", tmp_path / "tries"
    password.write_text("wrong")
    config = locked_camera.LockedCameraConfig(password_file=password, tries=tries)
    choice = DeviceChoice("camera", DeviceRole.CAMERA, locked_camera.driver, config)
    settings = room_settings(broker, tmp_path, devices={}).model_copy(update={"devices": (choice,)})

    async def tested(room: Room) -> str:
        await room.press("selftest", {})
        camera = steps(await over(room))["camera"]
        await room.press("selftest/close")
        assert camera["state"] == "failed"
        return str(camera["message"]["en"])

    async with running_room(settings) as room:
        assert [await tested(room) for _ in range(3)] == ["The camera refuses the password."] * 3
        assert tries.read_bytes() == b"x"
        password.write_text("wrong as well")
        await tested(room)
        await tested(room)
        assert tries.read_bytes() == b"xx"
    tries.unlink()
    async with running_room(settings) as room:
        await room.press("lesson/start")
        await until(lambda: tries.exists(), "the lesson tried it")
        await room.state_is("degraded", "live")
        await room.press("lesson/stop")
        await room.state_is("idle")
        await tested(room)
        assert tries.read_bytes() == b"x"


async def test_who_touches_the_card_has_the_board_back(made: MakeRoom, screen: str) -> None:
    async with running_room(made()) as room:
        await room.press("selftest", {})
        await until_step(room, "board-seen", "running", "ok")
        await until(lambda: cards(screen), "the card is shown", 3.0)
        display = Display(screen)
        for event in (X.ButtonPress, X.ButtonRelease):
            xtest.fake_input(display, event, 1)
        display.sync()
        display.close()
        view = await over(room)
        assert view["state"] == "stopped"
        assert steps(view)["av-offset"]["state"] == "skipped"
        assert (await room.press("selftest/close")).json()["selftest"] is None


async def test_the_centre_gets_numbers_of_a_test_that_the_panel_announced(
    centre: Centre, broker: Broker, tmp_path: Path
) -> None:
    async with running_room(room_settings(broker, tmp_path)) as room:
        await until(lambda: centre.states, "the room is there")
        call = asyncio.create_task(centre.call("selftest.run", SelfTestRun(actor="it"), timeout_s=20))

        async def is_asked() -> bool:
            return (await room.view())["selftest"] is not None

        await until(is_asked, most_s=5.0)
        view = (await room.view())["selftest"]
        assert (view["asked_by"], view["state"]) == ("centre", "announced")
        assert all(told["state"] == "waiting" for told in view["steps"])
        await room.press("selftest/stop")
        numbers = SelfTestNumbers.model_validate(await call)
        assert numbers.state == "stopped"
        assert {step.state for step in numbers.steps} == {"skipped"}
        with pytest.raises(CommandError) as refused:
            await centre.call("selftest.run", SelfTestRun(actor="it"))
        assert refused.value.code == "selftest-not-now"
