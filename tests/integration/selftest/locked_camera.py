"""A camera that refuses the password, and counts how often it was sent."""

from __future__ import annotations

from pathlib import Path

from agent.devices.base import CaptureDriver
from agent.devices.capture_child import CaptureChild
from agent.devices.login import LoginConfig
from protocol.errors import DevicePasswordError
from protocol.messages import DeviceRole


class LockedCameraConfig(LoginConfig):
    """``tries`` grows by a byte each time."""

    tries: Path


def capture(child: CaptureChild, config: LockedCameraConfig) -> None:
    with config.tries.open("ab") as file:
        file.write(b"x")
    raise DevicePasswordError(f"{child.label}: wrong password")


driver = CaptureDriver(
    name="locked",
    role=DeviceRole.CAMERA,
    config=LockedCameraConfig,
    child="tests.integration.selftest.locked_camera:capture",
)
