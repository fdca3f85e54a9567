"""Finds drivers by the name a room's configuration gives, through entry points; a third party's are found alike."""

from __future__ import annotations

from importlib.metadata import entry_points

from agent.devices.base import CaptureDriver
from agent.devices.display import DisplayDriver
from protocol.errors import ConfigError
from protocol.messages import DeviceRole

GROUPS: dict[DeviceRole, str] = {
    DeviceRole.CAMERA: "estrade.cameras",
    DeviceRole.MICROPHONE: "estrade.microphones",
    DeviceRole.BOARD: "estrade.boards",
}
DISPLAYS = "estrade.displays"
"""The group of `agent.devices.display`: a board's power and input, beside its picture."""


def driver_names(role: DeviceRole) -> list[str]:
    """Return the names of the drivers installed for a role, sorted."""
    return sorted(entry_points(group=GROUPS[role]).names)


def display_names() -> list[str]:
    """Return the names of the drivers installed for displays, sorted."""
    return sorted(entry_points(group=DISPLAYS).names)


def find_display(name: str) -> DisplayDriver:
    """Return the driver of a display; raise ConfigError, which names those there are, for another name."""
    found = [point for point in entry_points(group=DISPLAYS) if point.name == name]
    if not found:
        known = ", ".join(display_names()) or "none: install Estrade itself, with its extra [agent]"
        raise ConfigError(f'driver "{name}" is not a display driver; there are: {known}')
    try:
        driver = found[0].load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f'driver "{name}": {found[0].value} cannot be loaded ({error})') from error
    if not isinstance(driver, DisplayDriver):
        raise ConfigError(f'driver "{name}": {found[0].value} is not a DisplayDriver')
    return driver


def find_driver(role: DeviceRole, name: str) -> CaptureDriver:
    """Return the driver; raise ConfigError, which names those there are, when there is none of that name."""
    found = [point for point in entry_points(group=GROUPS[role]) if point.name == name]
    if not found:
        known = ", ".join(driver_names(role)) or "none: install Estrade itself, with its extra [agent]"
        raise ConfigError(f'driver "{name}" is not a {role} driver; there are: {known}')
    try:
        driver = found[0].load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f'driver "{name}": {found[0].value} cannot be loaded ({error})') from error
    if not isinstance(driver, CaptureDriver) or driver.role is not role:
        raise ConfigError(f'driver "{name}": {found[0].value} is not the CaptureDriver of a {role}')
    return driver
