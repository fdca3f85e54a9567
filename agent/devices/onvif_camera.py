"""A network camera found by ONVIF: it says where its stream is, and `agent.devices.rtsp` takes the pictures."""

from __future__ import annotations

import asyncio
from typing import Literal

from pydantic import Field, ValidationError

from agent.devices import onvif_words as words
from agent.devices import rtsp
from agent.devices.base import CaptureDriver
from agent.devices.capture_child import CaptureChild
from agent.devices.onvif_device import OnvifConfig, call, connected
from agent.devices.rtsp import RtspConfig
from protocol.errors import DeviceUnsupportedError
from protocol.messages import DeviceRole


class OnvifCameraConfig(OnvifConfig):
    """One login is for both, ONVIF and stream."""

    transport: Literal["tcp", "udp"] = "tcp"
    width_px: int = Field(default=1280, ge=160, le=1920, multiple_of=2)
    height_px: int = Field(default=720, ge=90, le=1080, multiple_of=2)
    delay_s: float = Field(default=0.0, ge=0, le=2, description="what the camera itself needs from light to network")


async def find_stream(config: OnvifConfig, label: str) -> str:
    """Return the RTSP address of the camera's profile. Raises DeviceError and its kinds."""
    async with connected(config, label) as device:
        profile = words.choose_profile(device.profiles, config.profile, label)
        media = await device.media()
        setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
        said = await call(media.GetStreamUri({"StreamSetup": setup, "ProfileToken": profile.token}), label)
        return words.without_login(str(said.Uri or ""))


def capture(child: CaptureChild, config: OnvifCameraConfig) -> None:
    """Capture until told to stop."""
    address = asyncio.run(find_stream(config, child.label))  # this process has nothing else to do
    shared = config.model_dump(include=set(RtspConfig.model_fields) & set(type(config).model_fields))
    try:
        found = RtspConfig.model_validate({**shared, "address": address})
    except ValidationError:
        what = "set its stream to RTSP over unicast"
        raise DeviceUnsupportedError(f"{child.label}: the camera names no usable RTSP address; {what}") from None
    rtsp.capture(child, found)


driver = CaptureDriver(
    name="onvif",
    role=DeviceRole.CAMERA,
    config=OnvifCameraConfig,
    child="agent.devices.onvif_camera:capture",
    imports=(*rtsp.driver.imports, "onvif"),
    listen="agent.devices.onvif_events:listen",
)
