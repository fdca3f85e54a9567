"""Samsung's Flip and QM panels over MDC, TCP 1515, through the library python-samsung-mdc, which has the codec.

In its menu the display has to have *Network Standby* on, or it is woken by Wake-on-LAN alone. A PIN (*Secured
Protocol*) is sent over TLS whose certificate nobody can check: the library accepts any, as displays make their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator
from samsung_mdc import MDC
from samsung_mdc.exceptions import (
    MDCError,
    MDCResponseError,
    MDCTimeoutError,
    MDCTLSAuthFailed,
    MDCTLSRequired,
    NAKError,
)

from agent.devices.display import (
    Display,
    DisplayConfig,
    DisplayDriver,
    DisplayInfo,
    DisplayStatus,
    Power,
)
from agent.devices.login import read_password
from protocol.errors import (
    DeviceBusyError,
    DeviceError,
    DeviceLostError,
    DeviceNotFoundError,
    DevicePasswordError,
    DeviceProtocolError,
    DeviceTimeoutError,
    DeviceUnsupportedError,
)

_SOURCES = MDC.input_source.INPUT_SOURCE_STATE
_ON, _OFF = MDC.power.POWER_STATE.ON, MDC.power.POWER_STATE.OFF
INPUTS = {
    source.name.lower().replace("_", "-"): source
    for source in _SOURCES
    if not source.name.endswith("_PC") and source.name not in ("NONE", "DVI_VIDEO", "RF_TV")
}
"""What can be chosen, by name; the rest can be told only."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long each step may take, in seconds."""

    connect_s: float = 3.0
    answer_s: float = 2.0


PACE = Pace()


class MdcConfig(DisplayConfig):
    """A Samsung display at an address."""

    host: str = Field(min_length=1, max_length=253)
    port: int = Field(default=1515, ge=1, le=65535)
    number: int = Field(default=1, ge=0, le=253, description="the display's ID in its menu; 254 would be all of them")
    pin_file: Path | None = Field(default=None, description="a file with the PIN of the secured protocol as one line")

    @field_validator("input")
    @classmethod
    def _input_is_one(cls, name: str | None) -> str | None:
        if name is not None and name.lower() not in INPUTS:
            raise ValueError(f"is no input of MDC; there are: {', '.join(INPUTS)}")
        return None if name is None else name.lower()

    @property
    def whose(self) -> str:
        return f'display at "{self.host}"'


class MdcDisplay:
    """An open connection; `Display`."""

    def __init__(self, mdc: Any, config: MdcConfig, info: DisplayInfo) -> None:
        self.info = info
        self._mdc = mdc
        self._config = config

    async def status(self) -> DisplayStatus:
        told = await self._ask(self._mdc.status)
        power = Power.ON if told[0] is _ON else Power.STANDBY
        faults: tuple[str, ...] = ()
        has_signal: bool | None = None
        hours: int | None = None
        if "errors" in self.info.capabilities:
            lamp, temperature, _sensor, source, _degrees, fan = await self._ask(self._mdc.error_status)
            ill = {"lamp": lamp, "temperature": temperature, "fan": fan}
            faults = tuple(place for place, state in ill.items() if state.name == "ERROR")
            if power is Power.ON and source.name != "INVALID":  # an application of its own is shown
                has_signal = source.name == "NORMAL"
        if "lamp-hours" in self.info.capabilities:
            hours = (await self._ask(self._mdc.panel_on_time))[0] // 6  # told in steps of ten minutes
        shown = told[3].name.removesuffix("_PC").lower().replace("_", "-") if power is Power.ON else None
        return DisplayStatus(power=power, input=shown, lamp_hours=hours, faults=faults, has_signal=has_signal)

    async def power(self, on: bool) -> None:
        try:
            await self._ask(self._mdc.power, [_ON if on else _OFF])
        except DeviceLostError:
            if on:
                raise  # its network may go down with it

    async def select_input(self, name: str) -> None:
        source = INPUTS.get(name)
        if source is None:
            raise DeviceUnsupportedError(f'{self._config.whose} has no input "{name}"; there are: {", ".join(INPUTS)}')
        try:
            await self._ask(self._mdc.input_source, [source])
        except DeviceUnsupportedError:
            raise DeviceUnsupportedError(
                f'{self._config.whose} does not take input "{name}"; correct display.input'
            ) from None

    async def identify(self) -> None:
        """Fill ``info`` by asking: what is answered with a NAK it cannot."""
        await self._ask(self._mdc.status)
        can = {"power", "input"}
        if await self._ask_if_it_may(self._mdc.error_status) is not None:
            can |= {"errors", "signal"}
        if await self._ask_if_it_may(self._mdc.panel_on_time) is not None:
            can.add("lamp-hours")
        model = await self._ask_if_it_may(self._mdc.model_name)
        serial = await self._ask_if_it_may(self._mdc.serial_number)
        self.info = replace(
            self.info,
            model=str(model[0]) if model else "",
            serial=str(serial[0]) if serial else "",
            capabilities=frozenset(can),
        )

    async def _ask_if_it_may(self, command: Callable[..., Awaitable[Any]]) -> Any | None:
        try:
            return await self._ask(command)
        except DeviceUnsupportedError:
            return None

    async def _ask(self, command: Callable[..., Awaitable[Any]], data: list[Any] | None = None) -> Any:
        number = self._config.number
        try:
            return await (command(number) if data is None else command(number, data))
        except (MDCError, MDCTLSRequired, OSError, ValueError) as error:
            raise _told(error, self._config) from None


class _Whole:
    """A reader whose ``read`` waits for all that was asked: the library takes a frame in two packets for an error."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    @property
    def _buffer(self) -> bytes:
        """What the library looks at to tell a display that wants TLS from another device."""
        return bytes(getattr(self._reader, "_buffer", b""))

    async def read(self, count: int) -> bytes:
        try:
            return await self._reader.readexactly(count)
        except asyncio.IncompleteReadError as error:
            return error.partial


def _told(error: Exception, config: MdcConfig) -> DeviceError:
    """Return what the library's error means here."""
    whose = config.whose
    if isinstance(error, NAKError):
        return DeviceUnsupportedError(f"{whose} does not take that command (NAK {error.error_code})")
    if isinstance(error, MDCTLSRequired):
        return DevicePasswordError(f"{whose} asks for a PIN; write it into a file and name pin_file")
    if isinstance(error, MDCTLSAuthFailed):
        return DevicePasswordError(
            f"{whose} refuses the PIN in {config.pin_file} ({error}); it is not tried again until that changes"
        )
    if isinstance(error, MDCTimeoutError):
        return DeviceTimeoutError(f"{whose} did not answer in time; it may be off at the mains or busy")
    if isinstance(error, MDCResponseError):
        if len(error.args) > 1 and not error.args[1]:
            return DeviceLostError(f"{whose} closed the connection; it is tried again")
        return DeviceProtocolError(f"{whose} does not speak MDC ({error.args[0]}); check driver, address and port")
    if isinstance(error, ConnectionRefusedError):
        return DeviceBusyError(f"{whose} refuses a connection to port {config.port}; switch its network control on")
    if isinstance(error, ConnectionError):
        return DeviceLostError(f"{whose} cut the connection; it is tried again")
    if isinstance(error, TimeoutError):
        return DeviceTimeoutError(f"{whose} did not answer in time; it may be off at the mains or busy")
    if isinstance(error, OSError | UnicodeError):  # UnicodeError: a name that no DNS can hold
        return DeviceNotFoundError(f"{whose} cannot be reached ({error}); check address, cable and network")
    return DeviceProtocolError(f"{whose} answers what MDC does not know ({error}); check driver, address and port")


@asynccontextmanager
async def connect(config: MdcConfig, known: DisplayInfo | None, *, pace: Pace = PACE) -> AsyncIterator[Display]:
    """Connect, log in where there is a PIN, and ask who it is; see `agent.devices.display`."""
    file = config.pin_file
    options = {} if file is None else {"pin": await asyncio.to_thread(read_password, file, config.whose)}
    mdc = MDC((config.host, config.port), timeout=pace.answer_s, connect_timeout=pace.connect_s, **options)
    try:
        await mdc.open()
    except (MDCError, MDCTLSAuthFailed, OSError, ValueError) as error:
        raise _told(error, config) from None
    try:
        mdc.reader = _Whole(mdc.reader)
        display = MdcDisplay(mdc, config, known or DisplayInfo(driver="samsung-mdc", protocol="MDC", maker="Samsung"))
        if known is None:
            await display.identify()
        yield display
    finally:
        with suppress(MDCError, OSError):
            await mdc.close()


driver = DisplayDriver(name="samsung-mdc", config=MdcConfig, connect=connect)
