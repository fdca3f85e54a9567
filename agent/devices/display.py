"""Board power and input: the contract of a *display*, whatever cable it hangs on.

A board's picture is captured (`agent.devices.base`); its power and input are a device of their own, a projector or an
interactive panel that is spoken to over network, serial line or HDMI. A driver is a `DisplayDriver` under the
entry-point group ``estrade.displays``, chosen by ``driver = "…"`` under ``[display]``. It works on the agent's own
loop, without a process of its own: a few bytes are exchanged, each exchange has a deadline, and nothing blocks.

``async with driver.connect(config, known) as display`` opens the line, logs in, and asks the device who it is and what
it can do; ``known`` is what an earlier connection learned and need not be asked again. A connection is for a look or an
act and closed at once: many projectors take one connection at a time, and a teacher's remote control or the school's
own software may want it. `agent.board_power` keeps to one at a time and to the pace of the protocol.

Asked for what it cannot do, a display raises DeviceUnsupportedError. Every way to fail is a DeviceError with its code:

* DevicePasswordError: asked for a password, or ours refused. Never tried again by itself, or a device locks us out.
* DeviceProtocolError: something else answers there. The device is left as it is.
* DeviceNotNowError: warms up, cools down, is in standby; ``retry_after_s`` says when it is worth asking again.
* DevicePermissionError, DeviceNotFoundError, DeviceBusyError, DeviceTimeoutError, DeviceLostError as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import Field, StringConstraints

from agent.devices.base import DriverConfig


class Power(StrEnum):
    """Where a display stands. ``unknown``: it has no way to say."""

    OFF = "off"
    STANDBY = "standby"
    WARMING = "warming"
    ON = "on"
    COOLING = "cooling"
    UNKNOWN = "unknown"


CAPABILITIES = frozenset({"power", "wake", "input", "lamp-hours", "filter-hours", "errors", "mute", "signal"})
"""``power``: says and takes it; ``wake``: can be switched on only, and says nothing; the others: says it, and for
``input`` takes it too."""

FAULTS = frozenset({"fan", "lamp", "temperature", "cover", "filter", "other"})
"""The stable words for what ails a display, after PJLink's ERST."""


@dataclass(frozen=True, slots=True)
class DisplayInfo:
    """What a display said of itself. ``inputs`` maps the names that `Display.select_input` takes to its own labels.

    ``inputs`` is empty when it would not say them (many do not in standby). ``protocol`` is the version it speaks,
    ``login`` how we logged in, if at all.
    """

    driver: str
    protocol: str = ""
    maker: str = ""
    model: str = ""
    serial: str = ""
    capabilities: frozenset[str] = field(default_factory=frozenset)
    inputs: Mapping[str, str] = field(default_factory=dict)
    login: str = ""


@dataclass(frozen=True, slots=True)
class DisplayStatus:
    """What a display says of its state; None where it does not say. ``faults`` and ``warnings`` are words of `FAULTS`.

    ``is_muted``: the picture is blanked. ``has_signal``: something arrives at the chosen input; ``resolution``: its
    width and height in pixels.
    """

    power: Power
    input: str | None = None
    lamp_hours: int | None = None
    filter_hours: int | None = None
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    is_muted: bool | None = None
    has_signal: bool | None = None
    resolution: tuple[int, int] | None = None


class Display(Protocol):
    """An open connection to a display."""

    info: DisplayInfo

    async def status(self) -> DisplayStatus:
        """Ask for everything that ``info.capabilities`` names."""
        ...

    async def power(self, on: bool) -> None:
        """Switch it on, or to standby. Returns when it has taken the command, long before a lamp is warm."""
        ...

    async def select_input(self, name: str) -> None:
        """Show the input of that name, in the form that its own ``status().input`` has."""
        ...


Mac = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}$"), Field(description="aa:bb:cc:dd:ee:ff")
]


class DisplayConfig(DriverConfig):
    """What every display's configuration has. Fields named ``…_file`` may be relative to the configuration's folder."""

    input: str | None = Field(default=None, description="shown while a lesson runs; left out, the input is not touched")
    off_after_s: float = Field(
        default=10.0, ge=0, le=3600, description="a lesson that begins again within this finds the board as it was"
    )
    off_if_unknown: bool = Field(
        default=False, description="a display that cannot say how it was is switched off after the lesson all the same"
    )
    wake_mac: Mac | None = Field(default=None, description="sent a Wake-on-LAN packet when it is to be switched on")
    wake_address: IPv4Address = Field(
        default=IPv4Address("255.255.255.255"), description="where that packet goes: the subnet's broadcast"
    )


@dataclass(frozen=True, slots=True)
class DisplayDriver:
    """A driver of one kind of display.

    ``connect`` gets the configuration as ``config`` and what is known; ``listen``, where a device tells news by itself,
    calls back on the loop while it is entered.
    """

    name: str
    config: type[DisplayConfig]
    connect: Callable[[Any, DisplayInfo | None], AbstractAsyncContextManager[Display]]
    listen: Callable[[Any, Callable[[], None]], AbstractAsyncContextManager[None]] | None = None


@dataclass(frozen=True, slots=True)
class DisplayChoice:
    """A display as the room's configuration names it."""

    driver: DisplayDriver
    config: DisplayConfig


class UnreadableError(ValueError):
    """What a codec raises for bytes that are not of its protocol."""


def files_of(config: DisplayConfig) -> dict[str, Path]:
    """Return the files that a configuration names, by key."""
    values = {key: getattr(config, key) for key in type(config).model_fields if key.endswith("_file")}
    return {key: value for key, value in values.items() if isinstance(value, Path)}
