"""Newline TruTouch, RS and TT panels on their serial port, 19200 8N1.

They acknowledge being switched, and do not say how they stand: a lesson leaves them on unless ``off_if_unknown``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pydantic import Field, field_validator

from agent.devices import newline_codec as codec
from agent.devices.byte_line import ByteLine, SerialConfig, exchange, open_line
from agent.devices.display import Display, DisplayDriver, DisplayInfo, DisplayStatus, Power, UnreadableError
from protocol.errors import DeviceUnsupportedError


@dataclass(frozen=True, slots=True)
class Pace:
    """How long each step may take, in seconds."""

    answer_s: float = 0.5
    tries: int = 3


PACE = Pace()
CONNECT_S = 1.0


class NewlineConfig(SerialConfig):
    """A Newline panel at a serial port."""

    baud: int = Field(default=19_200, ge=1200, le=115_200)

    @field_validator("input")
    @classmethod
    def _input_is_none(cls, name: str | None) -> str | None:
        if name is not None:
            raise ValueError('cannot be chosen, its codes are not public to us; leave it out, or use driver "generic"')
        return name


class NewlineDisplay:
    """An open line; `Display`."""

    info = DisplayInfo(driver="newline", protocol="Newline frames", maker="Newline", capabilities=frozenset({"wake"}))

    def __init__(self, line: ByteLine, config: NewlineConfig, pace: Pace) -> None:
        self._line = line
        self._config = config
        self._pace = pace

    async def status(self) -> DisplayStatus:
        return DisplayStatus(power=Power.UNKNOWN)

    async def power(self, on: bool) -> None:
        code = codec.ON if on else codec.OFF

        async def read() -> bool:
            raw = await self._line.read_exactly(codec.ANSWER_SIZE, within_s=self._pace.answer_s)
            try:
                return codec.parse(raw, code)
            except UnreadableError:
                raise self._line.foreign(raw) from None

        if not await exchange(self._line, codec.command(code), read, tries=self._pace.tries):
            raise DeviceUnsupportedError(f"{self._config.whose} does not take its power this way; see its manual")

    async def select_input(self, name: str) -> None:
        raise DeviceUnsupportedError(f'{self._config.whose}: input "{name}" cannot be chosen; use driver "generic"')


@asynccontextmanager
async def connect(config: NewlineConfig, known: DisplayInfo | None, *, pace: Pace = PACE) -> AsyncIterator[Display]:
    """Open the line; see `agent.devices.display`."""
    async with open_line(config, connect_s=CONNECT_S) as line:
        yield NewlineDisplay(line, config, pace)


driver = DisplayDriver(name="newline", config=NewlineConfig, connect=connect)
