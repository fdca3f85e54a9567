"""i3TOUCH X-series panels, on their serial port or over TCP 6688.

Over the network a panel that is shut down cannot be switched on but by Wake-on-LAN: without ``wake_mac`` it is sent to
hibernate instead, from which it wakes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pydantic import Field, field_validator

from agent.devices import i3_codec as codec
from agent.devices.byte_line import ByteLine, LineConfig, exchange, open_line
from agent.devices.display import Display, DisplayDriver, DisplayInfo, DisplayStatus, UnreadableError
from protocol.errors import DeviceUnsupportedError


@dataclass(frozen=True, slots=True)
class Pace:
    """How long each step may take, in seconds."""

    connect_s: float = 3.0
    answer_s: float = 1.0
    tries: int = 3


PACE = Pace()


class I3Config(LineConfig):
    """An i3TOUCH panel."""

    port: int = Field(default=codec.PORT, ge=1, le=65535)
    baud: int = Field(default=19_200, ge=1200, le=115_200)

    @field_validator("input")
    @classmethod
    def _input_is_none(cls, name: str | None) -> str | None:
        if name is not None:
            raise ValueError('cannot be chosen, its codes are not public; leave it out, or use driver "generic"')
        return name


class I3Display:
    """An open line; `Display`."""

    info = DisplayInfo(driver="i3", protocol="i3TOUCH frames", maker="i3", capabilities=frozenset({"power"}))

    def __init__(self, line: ByteLine, config: I3Config, pace: Pace) -> None:
        self._line = line
        self._config = config
        self._pace = pace

    async def status(self) -> DisplayStatus:
        return DisplayStatus(power=codec.POWER[await self._state()])

    async def power(self, on: bool) -> None:
        if on:
            code = codec.WAKE if await self._state() == codec.HIBERNATES else codec.ON
        else:
            comes_back = self._config.host is None or self._config.wake_mac is not None
            code = codec.SHUT_DOWN if comes_back else codec.HIBERNATE
        if await self._ask(code) != 1:
            raise DeviceUnsupportedError(f"{self._config.whose} does not take its power this way; see its manual")

    async def select_input(self, name: str) -> None:
        raise DeviceUnsupportedError(f'{self._config.whose}: input "{name}" cannot be chosen; use driver "generic"')

    async def _state(self) -> int:
        state = await self._ask(codec.ASK_POWER)
        if state not in codec.POWER:
            raise self._line.foreign(bytes([state]))
        return state

    async def _ask(self, code: tuple[int, int]) -> int:
        async def read() -> int:
            raw = await self._line.read_exactly(codec.ANSWER_SIZE, within_s=self._pace.answer_s)
            try:
                return codec.parse(raw, code)
            except UnreadableError:
                raise self._line.foreign(raw) from None

        return await exchange(self._line, codec.command(code), read, tries=self._pace.tries)


@asynccontextmanager
async def connect(config: I3Config, known: DisplayInfo | None, *, pace: Pace = PACE) -> AsyncIterator[Display]:
    """Open the line; see `agent.devices.display`."""
    async with open_line(config, connect_s=pace.connect_s) as line:
        yield I3Display(line, config, pace)


driver = DisplayDriver(name="i3", config=I3Config, connect=connect)
