"""ONVIF against a camera with a clock, accounts and faults (tests/fakes), and its stream from a real RTSP server."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from agent.devices import onvif_camera as camera_driver
from agent.devices.onvif_camera import OnvifCameraConfig
from agent.devices.onvif_device import OnvifConfig, connected
from agent.devices.onvif_ptz import connect
from agent.devices.ptz import LIMIT_S
from protocol.errors import (
    DeviceError,
    DeviceNotFoundError,
    DevicePasswordError,
    DeviceProtocolError,
    DeviceTimeoutError,
    DeviceUnsupportedError,
)
from tests.fakes.onvif_camera import OnvifCamera, OnvifFaults, onvif_camera
from tests.integration.devices.conftest import RunHost
from tests.integration.devices.network_camera import free_port, network_camera
from tests.waiting import until


def config_of(port: int, folder: Path, password: str = "right", profile: str = "") -> OnvifConfig:
    file = folder / "password"
    file.write_text(password)
    return OnvifConfig(host="127.0.0.1", port=port, user="admin", password_file=file, profile=profile)


async def refusal(config: OnvifConfig) -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        async with asyncio.timeout(8), connect(config):
            pass
    assert "\n" not in caught.value.message
    return caught.value


@pytest.mark.parametrize("ahead_s", [-3600.0, 0.0, 86_400.0])
async def test_a_camera_whose_clock_is_wrong_is_let_in_and_told(tmp_path: Path, ahead_s: float) -> None:
    camera = OnvifCamera(ahead_s=ahead_s)
    async with onvif_camera(camera) as port, connected(config_of(port, tmp_path), "camera") as device:
        assert device.skew_s == pytest.approx(ahead_s, abs=2)
        assert device.name == "Estrade Fake"
    assert all(camera.logins)


async def test_a_wrong_password_is_tried_once(tmp_path: Path) -> None:
    camera = OnvifCamera()
    async with onvif_camera(camera) as port:
        error = await refusal(config_of(port, tmp_path, "wr0ng"))
    assert (type(error), error.code, error.retryable) == (DevicePasswordError, "device-password", False)
    assert camera.logins == [False]
    assert "wr0ng" not in error.message


async def test_a_move_that_nobody_stops_ends_in_the_camera(tmp_path: Path) -> None:
    camera = OnvifCamera()
    async with onvif_camera(camera) as port, connect(config_of(port, tmp_path)) as ptz:
        await ptz.move(1, 0, 0)
        assert not camera.stands
        await until(lambda: camera.stands, "stands by itself", LIMIT_S + 0.3)
    assert "Stop" not in camera.done


async def test_presets_are_listed_and_a_name_that_fits_two_is_refused(tmp_path: Path) -> None:
    camera = OnvifCamera(presets={"1": ("board", (1, 1, 0)), "2": ("desk", (2, 2, 0)), "3": ("desk", (3, 3, 0))})
    async with onvif_camera(camera) as port, connect(config_of(port, tmp_path)) as ptz:
        assert [(one.id, one.name) for one in await ptz.presets()] == [("1", "board"), ("2", "desk"), ("3", "desk")]
        await ptz.recall("board")
        assert camera.view == (1, 1, 0)
        with pytest.raises(DeviceUnsupportedError, match=r"fits several.*token 2.*token 3") as caught:
            await ptz.recall("desk")
        assert caught.value.code == "device-ambiguous"
        await ptz.recall("3")
        assert camera.view == (3, 3, 0)


@pytest.mark.parametrize(
    ("profile", "code"), [("third", "device-unsupported"), ("main", "device-ambiguous"), ("p2", "")]
)
async def test_a_profile_is_chosen_by_token_or_by_a_name_that_fits_one(tmp_path: Path, profile: str, code: str) -> None:
    camera = OnvifCamera(profiles=(("p1", "main"), ("p2", "main")))
    async with onvif_camera(camera) as port:
        config = config_of(port, tmp_path, profile=profile)
        if code:
            assert (await refusal(config)).code == code
        else:
            async with connect(config):
                pass


@pytest.mark.parametrize(
    ("faults", "kind"),
    [
        (OnvifFaults(is_silent=True), DeviceTimeoutError),
        (OnvifFaults(drip_s=0.02), DeviceTimeoutError),
        (OnvifFaults(answer_with=b"\x90\x60\x02\xff"), DeviceProtocolError),
        (OnvifFaults(answer_with=b"RTSP/1.0 400 Bad Request\r\n\r\n"), DeviceProtocolError),
        (OnvifFaults(status=404), DeviceProtocolError),
        (OnvifFaults(status=401), DevicePasswordError),
        (OnvifFaults(body=b"<html/>"), DeviceProtocolError),
        (OnvifFaults(body=b""), DeviceProtocolError),
        (OnvifFaults(cut=True), DeviceError),
    ],
    ids=["silent", "drip", "visca", "rtsp", "404", "401", "html", "empty", "cut"],
)
async def test_what_is_no_onvif_camera_is_one_sentence(
    tmp_path: Path, faults: OnvifFaults, kind: type[DeviceError]
) -> None:
    async with onvif_camera(OnvifCamera(faults=faults)) as port:
        began_s = time.monotonic()
        error = await refusal(config_of(port, tmp_path))
    assert time.monotonic() - began_s < 4
    assert type(error) is kind, error
    assert error.message.startswith(f"PTZ camera at 127.0.0.1 port {port}: ")


async def test_nothing_at_the_port_is_said(tmp_path: Path) -> None:
    assert type(await refusal(config_of(free_port(), tmp_path))) is DeviceNotFoundError


async def test_a_fixed_camera_is_told_from_one_that_turns(tmp_path: Path) -> None:
    async with onvif_camera(OnvifCamera(turns=False, zooms=False)) as port:
        error = await refusal(config_of(port, tmp_path))
    assert type(error) is DeviceUnsupportedError
    assert "turns by no ONVIF profile" in error.message


async def test_pictures_come_from_the_stream_that_the_camera_names(run_host: RunHost, tmp_path: Path) -> None:
    with network_camera("digest", "admin", "right") as stream:
        named = stream.address.replace("://", "://other:login@")  # some cameras write one in
        async with onvif_camera(OnvifCamera(stream=named)) as port:
            config = OnvifCameraConfig(**config_of(port, tmp_path).model_dump(), width_px=640)
            async with (
                run_host(camera_driver.driver) as host,
                host.open_picture(camera_driver.driver, "front", config) as device,
            ):
                frame = await device.next_frame()
    assert (frame.width_px, frame.height_px) == (640, 360)
    assert frame.image.std() > 5
