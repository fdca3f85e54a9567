"""SMART Boards (MX, 6000S, 7000R, QX, RX) on their serial port, 19200 8N1, a straight cable.

A display in its low power state answers nothing: its *Power saving mode* has to be off in its menu.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from pydantic import Field, field_validator

from agent.devices import smart_codec as codec
from agent.devices.byte_line import ByteLine, SerialConfig, exchange, open_line
from agent.devices.display import Display, DisplayDriver, DisplayInfo, DisplayStatus, Power, UnreadableError
from protocol.errors import DeviceUnsupportedError


@dataclass(frozen=True, slots=True)
class Pace:
    """How long each step may take, in seconds."""

    prompt_s: float = 2.0
    tries: int = 3


PACE = Pace()


class SmartConfig(SerialConfig):
    """A SMART Board at a serial port."""

    baud: int = Field(default=19_200, ge=1200, le=115_200)

    @field_validator("input")
    @classmethod
    def _input_is_one(cls, name: str | None) -> str | None:
        return None if name is None else codec.input_name(name)


class SmartDisplay:
    """An open line whose prompt has come; `Display`."""

    def __init__(self, line: ByteLine, config: SmartConfig, info: DisplayInfo, pace: Pace) -> None:
        self.info = info
        self._line = line
        self._config = config
        self._pace = pace

    async def status(self) -> DisplayStatus:
        power = await self._power()
        shown = await self._get("input") if power is Power.ON else None
        if shown is not None and "input" not in self.info.capabilities:
            self.info = replace(self.info, capabilities=self.info.capabilities | {"input"})
        return DisplayStatus(power=power, input=shown.lower() if shown else None)

    async def power(self, on: bool) -> None:
        for state in ("on",) if on else codec.OFF_STATES:
            if await self._set("powerstate", state):
                return
        raise DeviceUnsupportedError(f"{self._config.whose} does not take its power by RS-232; see its manual")

    async def select_input(self, name: str) -> None:
        try:
            word = codec.input_name(name)
        except ValueError as error:
            raise DeviceUnsupportedError(f'{self._config.whose}: input "{name}" {error}') from None
        if not await self._set("input", word):
            raise DeviceUnsupportedError(
                f'{self._config.whose} does not know the input "{word}"; correct display.input after its manual'
            )

    async def identify(self) -> None:
        """Fill ``info``: what is answered with a value it can, what is ``invalid`` it cannot."""
        power = await self._power()
        can = {"power"}
        if power is Power.ON and await self._get("input") is not None:  # otherwise it would not say
            can.add("input")
        self.info = replace(
            self.info,
            model=await self._get("modelnum") or "",
            serial=await self._get("serialnum") or "",
            capabilities=frozenset(can),
        )

    async def prompt(self) -> None:
        """Wait for the prompt; DeviceTimeoutError when nothing comes, DeviceProtocolError for anything else."""
        await exchange(self._line, codec.WAKE, self._read_prompt, tries=self._pace.tries)

    async def _read_prompt(self) -> bytes:
        return await self._line.read_until(codec.PROMPT, within_s=self._pace.prompt_s)

    async def _power(self) -> Power:
        value = await self._get("powerstate")
        if value is None:
            raise DeviceUnsupportedError(f"{self._config.whose} does not say its power by RS-232; see its manual")
        try:
            return codec.parse_power(value)
        except UnreadableError:
            raise self._line.foreign(value.encode()) from None

    async def _get(self, name: str) -> str | None:
        """Return a value; None when the display does not know it, or not in this state."""
        return (await self._ask(codec.get(name))).values.get(name)

    async def _set(self, name: str, value: str) -> bool:
        """Set a value, in either of the two ways to write it; say whether it was taken."""
        for spaced in (False, True):
            said = await self._ask(codec.set_(name, value, spaced=spaced))
            if not said.is_invalid:
                return True
        return False

    async def _ask(self, command: bytes) -> codec.Block:
        async def read() -> codec.Block:
            raw = await self._read_prompt()
            try:
                return codec.parse(raw)
            except UnreadableError:
                raise self._line.foreign(raw) from None

        return await exchange(self._line, command, read, tries=self._pace.tries)


@asynccontextmanager
async def connect(config: SmartConfig, known: DisplayInfo | None, *, pace: Pace = PACE) -> AsyncIterator[Display]:
    """Open the line and wait for its prompt; see `agent.devices.display`."""
    async with open_line(config, connect_s=pace.prompt_s) as line:
        display = SmartDisplay(line, config, known or _UNKNOWN, pace)
        await display.prompt()
        if known is None:
            await display.identify()
        yield display


_UNKNOWN = DisplayInfo(driver="smart", protocol="SMART RS-232", maker="SMART")

driver = DisplayDriver(name="smart", config=SmartConfig, connect=connect)
