"""VISCA on a bad day: packets lost each way, a camera that was restarted, another device, a port that is not ours."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from agent.camera_moves import HOLD_S, CameraMoves, PtzChoice
from agent.devices import visca_codec as codec
from agent.devices.visca import ViscaConfig, connect, driver
from protocol.errors import (
    DeviceBusyError,
    DeviceError,
    DeviceNotFoundError,
    DeviceProtocolError,
    DeviceTimeoutError,
    DeviceUnsupportedError,
)
from tests.fakes.cable import answering
from tests.fakes.visca_camera import ViscaCamera, ViscaFaults, serial_camera, tcp_camera, udp_camera
from tests.integration.devices.network_camera import free_port
from tests.waiting import until

LEFT = codec.pan_tilt(-1, 0)


async def config_of(stack: AsyncExitStack, transport: str, camera: ViscaCamera) -> ViscaConfig:
    """Put the camera at the other end of a transport; return the configuration that finds it."""
    if transport == "serial":
        path = await stack.enter_async_context(serial_camera(camera))
        return ViscaConfig(transport="serial", path=Path(path))
    opening = tcp_camera(camera) if transport == "tcp" else udp_camera(camera, is_sony=transport == "sony-udp")
    port = await stack.enter_async_context(opening)
    return ViscaConfig.model_validate({"transport": transport, "host": "127.0.0.1", "port": port})


async def refusal(config: ViscaConfig) -> DeviceError:
    """Return how connecting is refused."""
    with pytest.raises(DeviceError) as caught:
        async with asyncio.timeout(6), connect(config):
            pass
    assert "\n" not in caught.value.message
    assert ": " in caught.value.message
    assert "; " in caught.value.message  # what to do
    return caught.value


async def test_a_lost_request_is_sent_again_under_the_same_number_and_carried_out_once() -> None:
    camera = ViscaCamera()
    async with AsyncExitStack() as stack, connect(await config_of(stack, "sony-udp", camera)) as ptz:
        camera.faults.lose_requests = [True, True]
        camera.packets.clear()
        await ptz.move(-1, 0, 0)
    assert [packet[4:8] for packet in camera.packets] == [camera.packets[0][4:8]] * 3
    assert camera.done == [LEFT]


async def test_a_lost_answer_does_not_carry_the_command_out_twice() -> None:
    camera = ViscaCamera()
    async with AsyncExitStack() as stack, connect(await config_of(stack, "sony-udp", camera)) as ptz:
        camera.faults.lose_replies = [True, True]  # acknowledgement and completion
        camera.packets.clear()
        await ptz.move(-1, 0, 0)
        assert len({packet[4:8] for packet in camera.packets}) == 1
        assert camera.done == [LEFT]
        camera.faults.lose_replies = [True]
        assert (await ptz.position()).pan is not None  # a question whose answer was lost is asked anew


async def test_a_camera_that_was_restarted_counts_anew_and_nobody_notices() -> None:
    camera = ViscaCamera()
    async with AsyncExitStack() as stack, connect(await config_of(stack, "sony-udp", camera)) as ptz:
        for _ in range(3):
            await ptz.position()
        camera._expected = 0
        await ptz.move(-1, 0, 0)
        assert camera.done == [LEFT]


async def test_a_camera_with_the_numbers_and_without_the_reset_is_taken() -> None:
    camera = ViscaCamera(ViscaFaults(knows_reset=False))
    async with AsyncExitStack() as stack, connect(await config_of(stack, "sony-udp", camera)) as ptz:
        assert "pan-tilt" in ptz.info.capabilities


@pytest.mark.parametrize("transport", ["sony-udp", "udp"])
async def test_one_packet_in_five_lost_each_way_is_not_noticed(transport: str) -> None:
    camera = ViscaCamera()
    async with AsyncExitStack() as stack, connect(await config_of(stack, transport, camera)) as ptz:
        camera.faults.lose_requests = [number % 5 == 0 for number in range(400)]
        camera.faults.lose_replies = [number % 5 == 3 for number in range(400)]
        for _ in range(5):
            await ptz.move(1, 0, 0)
            assert camera.speed[0] > 0
            await ptz.stop()
            assert camera.stands
            assert (await ptz.position()).pan is not None


@pytest.mark.parametrize("transport", ["sony-udp", "udp"])
async def test_a_hold_ends_by_itself_on_a_line_that_loses_every_third_packet(transport: str) -> None:
    camera = ViscaCamera()
    async with AsyncExitStack() as stack:
        moves = CameraMoves(PtzChoice(driver, await config_of(stack, transport, camera)))
        life = asyncio.create_task(moves.run(), name="camera moves")
        await until(lambda: moves.info is not None, "connected", 3)
        camera.faults.lose_requests = [number % 3 == 0 for number in range(900)]
        camera.faults.lose_replies = [number % 3 == 1 for number in range(900)]
        moves.hold(1, 0, 0)
        await until(lambda: not camera.stands, "turns", 1)
        await until(lambda: camera.stands, "stands, though nobody let go", HOLD_S + 1.0)
        life.cancel()
        await asyncio.wait([life])


@pytest.mark.parametrize("transport", ["tcp", "serial", "udp", "sony-udp"])
async def test_a_camera_that_cannot_at_once_is_asked_again(transport: str) -> None:
    camera = ViscaCamera()
    async with AsyncExitStack() as stack, connect(await config_of(stack, transport, camera)) as ptz:
        camera.faults.refuse = {b"\x01\x06\x01": [0x41, 0x03]}
        await ptz.move(-1, 0, 0)
        assert camera.done[-1] == LEFT


async def test_stop_tries_the_zoom_even_when_the_turning_does_not_stop() -> None:
    camera = ViscaCamera()
    async with AsyncExitStack() as stack, connect(await config_of(stack, "tcp", camera)) as ptz:
        await ptz.move(-1, 0, 1)
        camera.faults.refuse = {b"\x01\x06\x01": [0x41] * 4}
        with pytest.raises(DeviceError, match="cannot do that at present"):
            await ptz.stop()
        assert camera.speed[0] < 0
        assert camera.speed[2] == 0
        await ptz.stop()
        assert camera.stands


async def test_a_late_answer_is_not_taken_for_that_of_the_next_command() -> None:
    """Bare frames have no number: given up, a request's answer must not make the next one seem understood."""
    camera = ViscaCamera()
    async with AsyncExitStack() as stack, connect(await config_of(stack, "tcp", camera)) as ptz:
        camera.faults.delay_s = 0.03
        moving = asyncio.create_task(ptz.move(-1, 0, 0))
        await until(lambda: camera.done == [LEFT], "the camera has it", 1)
        moving.cancel()
        await asyncio.wait([moving])
        camera.faults.refuse = {b"\x01\x06\x01": [0x02]}
        with pytest.raises(DeviceUnsupportedError):
            await ptz.move(0, 1, 0)


@pytest.mark.parametrize("transport", ["sony-udp", "udp", "tcp", "serial"])
@pytest.mark.parametrize("answer", [b"PJLINK 0\r", b"\xff\xff\xff", b"\x02\x01" * 40], ids=["pjlink", "ends", "other"])
async def test_another_device_is_told_from_a_silent_one(transport: str, answer: bytes) -> None:
    camera = ViscaCamera(ViscaFaults(answer_with=answer))
    async with AsyncExitStack() as stack:
        error = await refusal(await config_of(stack, transport, camera))
    assert (type(error), error.code) == (DeviceProtocolError, "device-protocol")
    assert "does not speak this kind of VISCA" in error.message


async def test_a_web_server_is_no_camera() -> None:
    async with answering(b"HTTP/1.0 400 Bad Request\r\n\r\n") as port:
        error = await refusal(ViscaConfig(transport="tcp", host="127.0.0.1", port=port))
    assert type(error) is DeviceProtocolError


async def test_sony_s_packets_and_bare_frames_are_told_apart() -> None:
    async with udp_camera(ViscaCamera(), is_sony=False) as port:
        error = await refusal(ViscaConfig(transport="sony-udp", host="127.0.0.1", port=port))
    assert type(error) in (DeviceProtocolError, DeviceTimeoutError)


@pytest.mark.parametrize("transport", ["sony-udp", "udp", "tcp", "serial"])
async def test_a_silent_camera_is_a_time_out(transport: str) -> None:
    camera = ViscaCamera(ViscaFaults(is_silent=True))
    async with AsyncExitStack() as stack:
        error = await refusal(await config_of(stack, transport, camera))
    assert type(error) is DeviceTimeoutError
    assert "did not answer within" in error.message


@pytest.mark.parametrize("transport", ["sony-udp", "udp", "tcp"])
async def test_nothing_at_the_port_is_said(transport: str) -> None:
    error = await refusal(
        ViscaConfig.model_validate({"transport": transport, "host": "127.0.0.1", "port": free_port()})
    )
    assert type(error) is DeviceNotFoundError
    assert "is there but nothing listens on this port" in error.message


async def test_a_camera_that_serves_somebody_else_says_so() -> None:
    camera = ViscaCamera(ViscaFaults(one_connection=True))
    async with AsyncExitStack() as stack:
        config = await config_of(stack, "tcp", camera)
        async with connect(config):
            error = await refusal(config)
        assert type(error) is DeviceBusyError
        assert "one program at a time" in error.message
        async with connect(config) as ptz:
            await ptz.position()  # free again


async def test_a_camera_in_standby_is_connected_and_says_why_it_does_not_turn() -> None:
    camera = ViscaCamera(
        ViscaFaults(refuse={b"\x09\x06": [0x41] * 4, b"\x09\x04": [0x41] * 4, b"\x01\x06": [0x41] * 4})
    )
    async with AsyncExitStack() as stack, connect(await config_of(stack, "tcp", camera)) as ptz:
        assert "pan-tilt" in ptz.info.capabilities
        with pytest.raises(DeviceError, match="switch it on"):
            await ptz.move(1, 0, 0)


async def test_a_serial_port_that_is_not_there_is_said() -> None:
    error = await refusal(ViscaConfig(transport="serial", path=Path("/dev/ttyUSB99")))
    assert type(error) is DeviceNotFoundError
    assert "/dev/ttyUSB99 is not there" in error.message


@pytest.mark.parametrize("path", ["/dev/null", __file__])
async def test_what_is_no_serial_port_is_said(path: str) -> None:
    error = await refusal(ViscaConfig(transport="serial", path=Path(path)))
    assert type(error) is DeviceProtocolError
    assert f"{path} is not a serial port" in error.message


async def test_a_serial_port_of_somebody_else_is_said() -> None:
    async with serial_camera(ViscaCamera()) as path, connect(ViscaConfig(transport="serial", path=Path(path))):
        error = await refusal(ViscaConfig(transport="serial", path=Path(path)))
    assert type(error) is DeviceBusyError


async def test_a_serial_port_without_permission_has_its_own_code() -> None:
    """As an ordinary user would meet it: this test lays its rights down for one call where it is root."""
    async with serial_camera(ViscaCamera()) as path:
        os.chmod(path, 0)  # noqa: PTH101 - a device node, at once
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(65534)
        try:
            error = await refusal(ViscaConfig(transport="serial", path=Path(path)))
        finally:
            if is_root:
                os.seteuid(0)
    assert (error.code, error.retryable) == ("device-permission", False)
    assert "put its user into the group of that port (dialout)" in error.message


@pytest.mark.parametrize("preset", ["95", "128", "-1", "board", ""])
async def test_a_preset_that_visca_cannot_have_never_reaches_the_camera(preset: str) -> None:
    """Number 95 opens a menu on many cameras, in front of the class."""
    camera = ViscaCamera()
    async with AsyncExitStack() as stack, connect(await config_of(stack, "tcp", camera)) as ptz:
        for act in (ptz.recall, ptz.store):
            with pytest.raises(DeviceUnsupportedError, match="VISCA has 0 to 127") as caught:
                await act(preset)
            assert caught.value.code == "preset-not-found"
    assert camera.done == []


def test_a_configuration_without_a_way_to_the_camera_is_refused() -> None:
    with pytest.raises(ValueError, match="host is missing"):
        ViscaConfig()
    with pytest.raises(ValueError, match="path is missing"):
        ViscaConfig(transport="serial", host="camera")
