"""What every driver that turns cameras keeps to, whoever wrote it: the parts that need no camera."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from agent.devices.ptz import PtzDriver
from agent.devices.registry import find_ptz, ptz_names
from protocol.errors import ConfigError

REQUIRED: dict[str, dict[str, Any]] = {"onvif": {"host": "camera.example"}, "visca": {"host": "camera.example"}}
"""What a configuration cannot do without, by driver."""


@pytest.fixture(params=ptz_names())
def named(request: pytest.FixtureRequest) -> tuple[str, PtzDriver]:
    return request.param, find_ptz(request.param)


def test_all_our_drivers_are_found() -> None:
    assert set(ptz_names()) >= set(REQUIRED)


def test_a_driver_has_the_name_it_is_found_by(named: tuple[str, PtzDriver]) -> None:
    name, driver = named
    assert driver.name == name


def test_a_configuration_refuses_unknown_keys_and_changes(named: tuple[str, PtzDriver]) -> None:
    name, driver = named
    with pytest.raises(ValidationError, match="wobble"):
        driver.config.model_validate({**REQUIRED.get(name, {}), "wobble": 3})
    config = driver.config.model_validate(REQUIRED.get(name, {}))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(config, next(iter(driver.config.model_fields)), None)


def test_no_configuration_holds_a_password(named: tuple[str, PtzDriver]) -> None:
    _name, driver = named
    assert not {"password", "secret", "token"} & set(driver.config.model_fields)


def test_an_unknown_driver_is_answered_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r'"betamax" is not a ptz driver; there are: .*visca'):
        find_ptz("betamax")
