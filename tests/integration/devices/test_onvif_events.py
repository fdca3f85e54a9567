"""What an ONVIF camera says of itself, through the library's pull point (tests/fakes)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from agent.devices import onvif_events
from agent.devices.base import Complaint
from agent.devices.onvif_device import OnvifConfig
from agent.devices.onvif_events import listen
from protocol.errors import DeviceError, DevicePasswordError, DeviceProtocolError, DeviceUnsupportedError
from tests.fakes.onvif_camera import OnvifCamera, OnvifFaults, onvif_camera
from tests.waiting import until


def config_of(port: int, folder: Path, password: str = "right") -> OnvifConfig:
    file = folder / "password"
    file.write_text(password)
    return OnvifConfig(host="127.0.0.1", port=port, user="admin", password_file=file)


@asynccontextmanager
async def listening(camera: OnvifCamera, folder: Path) -> AsyncIterator[list[frozenset[Complaint]]]:
    """Yield what the camera complained of, the newest last."""
    heard: list[frozenset[Complaint]] = []
    async with onvif_camera(camera) as port:
        task = asyncio.create_task(listen(config_of(port, folder), "camera", heard.append))
        try:
            await until(lambda: bool(heard) or task.done(), "is listened to", 10)
            if task.done():
                task.result()
            yield heard
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, DeviceError):
                await task


async def test_what_the_camera_says_comes_and_goes(tmp_path: Path) -> None:
    camera = OnvifCamera()
    async with listening(camera, tmp_path) as heard:
        assert heard == [frozenset()]
        camera.tell("VideoSource/SignalLoss", "1", holds=True)
        await until(lambda: heard[-1] == {"no-picture"}, "hears of the signal", 5)
        camera.tell("Device/HardwareFailure/FanFailure", "1", holds=True, item="Failed")
        camera.tell("RuleEngine/CellMotionDetector/Motion", "1", holds=True, item="IsMotion")
        await until(lambda: heard[-1] == {"no-picture", "hardware"}, "hears of the fan", 5)
        camera.tell("VideoSource/SignalLoss", "1", holds=False)
        await until(lambda: heard[-1] == {"hardware"}, "hears that the signal is back", 5)
    assert camera.subscribers == 0, "the camera was told that nobody listens any more"


async def test_a_camera_that_complains_already_is_heard_at_once(tmp_path: Path) -> None:
    camera = OnvifCamera()
    camera.tell("VideoSource/ImageTooDark/ImagingService", "v", holds=True)
    async with listening(camera, tmp_path) as heard:
        await until(lambda: heard[-1] == {"too-dark"}, "hears how it stands", 5)


async def test_two_fans_are_one_complaint_until_both_turn(tmp_path: Path) -> None:
    camera = OnvifCamera()
    async with listening(camera, tmp_path) as heard:
        for fan in ("1", "2"):
            camera.tell("Device/HardwareFailure/FanFailure", fan, holds=True, item="Failed")
        await until(lambda: heard[-1] == {"hardware"}, "hears of the fans", 5)
        camera.tell("Device/HardwareFailure/FanFailure", "1", holds=False, item="Failed")
        camera.tell("VideoSource/GlobalSceneChange/ImagingService", "v", holds=True)
        await until(lambda: heard[-1] == {"hardware", "moved"}, "still hears of the second fan", 5)


async def test_a_camera_that_was_restarted_is_asked_anew(tmp_path: Path) -> None:
    camera = OnvifCamera()
    async with onvif_camera(camera) as port:
        heard: list[frozenset[Complaint]] = []
        task = asyncio.create_task(listen(config_of(port, tmp_path), "camera", heard.append))
        await until(lambda: bool(heard), "is listened to", 10)
        camera.restart()
        with pytest.raises(DeviceError) as caught:
            async with asyncio.timeout(10):
                await task
    assert caught.value.retryable


async def test_a_wrong_password_is_tried_once(tmp_path: Path) -> None:
    camera = OnvifCamera()
    async with onvif_camera(camera) as port:
        with pytest.raises(DevicePasswordError):
            await listen(config_of(port, tmp_path, "wr0ng"), "camera", lambda _: None)
    assert camera.logins == [False]


async def test_a_camera_without_events_is_told_as_that(tmp_path: Path) -> None:
    camera = OnvifCamera(has_events=False)
    async with onvif_camera(camera) as port:
        with pytest.raises(DeviceUnsupportedError, match="no such ONVIF service"):
            await listen(config_of(port, tmp_path), "camera", lambda _: None)


@pytest.mark.parametrize("asked", ["CreatePullPointSubscription", "SetSynchronizationPoint", "PullMessages"])
async def test_a_camera_that_answers_with_a_web_page_is_told_as_that(tmp_path: Path, asked: str) -> None:
    camera = OnvifCamera(faults=OnvifFaults(page_for=asked))
    async with onvif_camera(camera) as port:
        with pytest.raises(DeviceProtocolError, match="does not speak ONVIF"):
            await listen(config_of(port, tmp_path), "camera", lambda _: None)


def test_a_flood_of_sources_is_bounded() -> None:
    complaints: dict[tuple[str, str], Complaint] = {}

    class Item:
        def __init__(self, name: str, value: str) -> None:
            self.Name, self.Value = name, value

    class Of:
        def __init__(self, **parts: object) -> None:
            self.__dict__.update(parts)

    def message(source: int) -> Of:
        body = Of(Source=Of(SimpleItem=[Item("S", str(source))]), Data=Of(SimpleItem=[Item("Failed", "true")]))
        return Of(Topic=Of(_value_1="tns1:Device/HardwareFailure/FanFailure"), Message=Of(_value_1=body))

    onvif_events._take([message(number) for number in range(1000)], complaints)
    assert len(complaints) == onvif_events.KNOWN_MOST
    assert not onvif_events._take([Of(), Of(Topic=None, Message=Of(_value_1=3))], complaints)
