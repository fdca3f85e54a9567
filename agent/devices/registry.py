"""Finds drivers by the name a room's configuration gives, through entry points; a third party's are found alike."""

from __future__ import annotations

from importlib.metadata import entry_points

from agent.devices.base import CaptureDriver
from agent.devices.display import DisplayDriver
from agent.devices.ptz import PtzDriver
from protocol.errors import ConfigError
from protocol.messages import DeviceRole

GROUPS: dict[DeviceRole, str] = {
    DeviceRole.CAMERA: "estrade.cameras",
    DeviceRole.MICROPHONE: "estrade.microphones",
    DeviceRole.BOARD: "estrade.boards",
}
DISPLAYS = "estrade.displays"
"""The group of `agent.devices.display`: a board's power and input, beside its picture."""
PTZ = "estrade.ptz"
"""The group of `agent.devices.ptz`: what turns a camera."""


def driver_names(role: DeviceRole) -> list[str]:
    """Return the names of the drivers installed for a role, sorted."""
    return sorted(entry_points(group=GROUPS[role]).names)


def display_names() -> list[str]:
    """Return the names of the drivers installed for displays, sorted."""
    return sorted(entry_points(group=DISPLAYS).names)


def ptz_names() -> list[str]:
    """Return the names of the installed drivers that turn cameras, sorted."""
    return sorted(entry_points(group=PTZ).names)


def find_driver(role: DeviceRole, name: str) -> CaptureDriver:
    """Return the driver; raise ConfigError, which names those there are, when there is none of that name."""
    driver, where = _load(GROUPS[role], role, name)
    if not isinstance(driver, CaptureDriver) or driver.role is not role:
        raise ConfigError(f'driver "{name}": {where} is not the CaptureDriver of a {role}')
    return driver


def find_display(name: str) -> DisplayDriver:
    """Return the driver of a display; raise ConfigError as `find_driver`."""
    driver, where = _load(DISPLAYS, "display", name)
    if not isinstance(driver, DisplayDriver):
        raise ConfigError(f'driver "{name}": {where} is not a DisplayDriver')
    return driver


def find_ptz(name: str) -> PtzDriver:
    """Return the driver that turns cameras; raise ConfigError as `find_driver`."""
    driver, where = _load(PTZ, "ptz", name)
    if not isinstance(driver, PtzDriver):
        raise ConfigError(f'driver "{name}": {where} is not a PtzDriver')
    return driver


def _load(group: str, role: str, name: str) -> tuple[object, str]:
    """Return what the entry point of this name leads to, and where that is."""
    points = entry_points(group=group)
    found = [point for point in points if point.name == name]
    if not found:
        known = ", ".join(sorted(points.names)) or "none: install Estrade itself, with its extra [agent]"
        raise ConfigError(f'driver "{name}" is not a {role} driver; there are: {known}')
    try:
        return found[0].load(), found[0].value
    except (ImportError, AttributeError) as error:
        raise ConfigError(f'driver "{name}": {found[0].value} cannot be loaded ({error})') from error
