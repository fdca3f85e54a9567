"""What every driver keeps to, whoever wrote it: the parts that need no device."""

from __future__ import annotations

import inspect
from typing import get_type_hints

import pytest
from pydantic import ValidationError

from agent.devices import capture_protocol as wire
from agent.devices.base import CaptureDriver, DriverConfig
from agent.devices.registry import GROUPS, driver_names, find_driver
from protocol.errors import ConfigError
from protocol.messages import DeviceRole

DRIVERS = [(role, name) for role in GROUPS for name in driver_names(role)]
REQUIRED = {
    "file": {"path": "/x/lesson.mp4"},
    "v4l2": {"path": "/dev/video0"},
    "hdmi": {"path": "/dev/video0"},
    "onvif": {"host": "camera.example"},
    "rtsp": {"address": "rtsp://camera.example/1"},
}
"""What a configuration cannot do without, by driver."""


@pytest.fixture(params=DRIVERS, ids=[f"{role}-{name}" for role, name in DRIVERS])
def named(request: pytest.FixtureRequest) -> tuple[str, CaptureDriver]:
    role, name = request.param
    return name, find_driver(role, name)


def config_of(name: str, driver: CaptureDriver) -> DriverConfig:
    return driver.config.model_validate(REQUIRED.get(name, {}))


def test_all_our_drivers_are_found() -> None:
    assert {f"{role}-{name}" for role, name in DRIVERS} >= {
        "camera-simulated", "camera-file", "camera-onvif", "camera-rtsp", "camera-v4l2",
        "microphone-simulated", "microphone-file", "microphone-alsa", "microphone-pulse",
        "board-simulated", "board-x11", "board-hdmi",
    }  # fmt: skip


def test_a_driver_has_the_name_it_is_found_by(named: tuple[str, CaptureDriver]) -> None:
    name, driver = named
    assert driver.name == name


def test_a_configuration_refuses_unknown_keys(named: tuple[str, CaptureDriver]) -> None:
    name, driver = named
    with pytest.raises(ValidationError, match="tilt"):
        driver.config.model_validate({**REQUIRED.get(name, {}), "tilt": 3})


def test_a_configuration_cannot_be_changed(named: tuple[str, CaptureDriver]) -> None:
    config = config_of(*named)
    field = next(iter(type(config).model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(config, field, None)


def test_a_configuration_crosses_to_the_capture_process_unchanged(named: tuple[str, CaptureDriver]) -> None:
    config = config_of(*named)
    there = wire.resolve(wire.address_of(type(config))).model_validate_json(config.model_dump_json())
    assert there == config


def test_the_child_takes_a_capture_child_and_its_own_configuration(named: tuple[str, CaptureDriver]) -> None:
    _name, driver = named
    function = wire.resolve(driver.child)
    hints = get_type_hints(function)
    first, second = inspect.signature(function).parameters
    assert hints[first].__name__ == "CaptureChild"
    assert hints[second] is driver.config


def test_every_setting_of_a_size_keeps_it_even(named: tuple[str, CaptureDriver]) -> None:
    name, driver = named
    if "width_px" not in driver.config.model_fields:
        assert driver.role is DeviceRole.MICROPHONE
        return
    for field in ("width_px", "height_px"):
        with pytest.raises(ValidationError, match="multiple of 2"):
            driver.config.model_validate({**REQUIRED.get(name, {}), field: 801})


@pytest.mark.parametrize("role", GROUPS)
def test_an_unknown_driver_is_answered_with_those_there_are(role: DeviceRole) -> None:
    with pytest.raises(ConfigError) as caught:
        find_driver(role, "betamax")
    assert '"betamax"' in caught.value.message
    assert all(name in caught.value.message for name in driver_names(role))
