"""What every driver of a display keeps to, whoever wrote it: the parts that need no device."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agent.devices.display import DisplayConfig, DisplayDriver, files_of
from agent.devices.registry import display_names, find_display
from protocol.errors import ConfigError

REQUIRED: dict[str, dict[str, Any]] = {
    "cec": {},
    "generic": {"host": "192.0.2.7", "encoding": "hex", "on": "01"},
    "clevertouch": {"serial_port": "/dev/serial/by-id/usb-board"},
    "i3": {"host": "192.0.2.7"},
    "newline": {"serial_port": "/dev/serial/by-id/usb-board"},
    "nine-byte": {"family": "viewsonic", "host": "192.0.2.7"},
    "pjlink": {"host": "192.0.2.7"},
    "samsung-mdc": {"host": "192.0.2.7"},
    "smart": {"serial_port": "/dev/serial/by-id/usb-board"},
    "wake-on-lan": {"wake_mac": "00:11:22:aa:bb:cc"},
}
"""What a configuration cannot do without, by driver."""
OURS = set(REQUIRED)


@pytest.fixture(params=display_names())
def named(request: pytest.FixtureRequest) -> tuple[str, DisplayDriver]:
    return request.param, find_display(request.param)


def test_all_our_drivers_are_found() -> None:
    assert set(display_names()) >= OURS


def test_a_driver_has_the_name_it_is_found_by(named: tuple[str, DisplayDriver]) -> None:
    name, driver = named
    assert driver.name == name


def test_a_configuration_refuses_unknown_keys(named: tuple[str, DisplayDriver]) -> None:
    name, driver = named
    with pytest.raises(ValidationError, match="colour"):
        driver.config.model_validate({**REQUIRED.get(name, {}), "colour": 3})


def test_a_configuration_cannot_be_changed(named: tuple[str, DisplayDriver]) -> None:
    name, driver = named
    config = driver.config.model_validate(REQUIRED.get(name, {}))
    assert isinstance(config, DisplayConfig)
    with pytest.raises(ValidationError, match="frozen"):
        setattr(config, "off_after_s", 3.0)  # noqa: B010 -- mypy knows that it cannot be done


def test_no_password_stands_in_a_configuration(named: tuple[str, DisplayDriver]) -> None:
    """It would be in backups, in a support request, in a shell's history: a file is named instead."""
    _name, driver = named
    secret = ("password", "pin", "secret", "token", "key")
    plain = [key for key in driver.config.model_fields if key.endswith(secret)]
    assert plain == []


def test_connecting_takes_the_configuration_and_what_is_known(named: tuple[str, DisplayDriver]) -> None:
    _name, driver = named
    wanted = [
        parameter
        for parameter in inspect.signature(driver.connect).parameters.values()
        if parameter.default is inspect.Parameter.empty
    ]
    assert len(wanted) == 2


def test_files_are_named_by_their_key(tmp_path: Path) -> None:
    driver = find_display("pjlink")
    config = driver.config.model_validate({"host": "a", "password_file": str(tmp_path / "p")})
    assert files_of(config) == {"password_file": tmp_path / "p"}


def test_an_unknown_driver_is_answered_with_those_there_are() -> None:
    with pytest.raises(ConfigError) as caught:
        find_display("betamax")
    assert '"betamax"' in caught.value.message
    assert all(name in caught.value.message for name in display_names())
