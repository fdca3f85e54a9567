"""Clevertouch panels of the Impact (Plus) series on their serial port, 9600 8N1; they say nothing that we could read.

How the panel was is not known, so a lesson leaves it on unless ``off_if_unknown``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import field_validator

from agent.devices import clevertouch_codec as codec
from agent.devices.byte_line import ByteLine, SerialConfig, open_line
from agent.devices.display import Display, DisplayDriver, DisplayInfo, DisplayStatus, Power
from protocol.errors import DeviceUnsupportedError

CONNECT_S = 1.0
GAP_S = 0.5
"""Between two frames, which nothing acknowledges."""


class ClevertouchConfig(SerialConfig):
    """A Clevertouch panel at a serial port."""

    @field_validator("input")
    @classmethod
    def _input_is_one(cls, name: str | None) -> str | None:
        if name is not None and name.lower() not in codec.INPUTS:
            raise ValueError(f"is no input of Clevertouch that is public; there are: {', '.join(codec.INPUTS)}")
        return None if name is None else name.lower()


class ClevertouchDisplay:
    """An open line; `Display` without an answer to anything."""

    info = DisplayInfo(
        driver="clevertouch",
        protocol="Clevertouch frames",
        maker="Clevertouch",
        capabilities=frozenset({"wake"}),
        inputs=dict.fromkeys(codec.INPUTS, ""),
    )

    def __init__(self, line: ByteLine, config: ClevertouchConfig) -> None:
        self._line = line
        self._config = config

    async def status(self) -> DisplayStatus:
        return DisplayStatus(power=Power.UNKNOWN)

    async def power(self, on: bool) -> None:
        await self._line.send(codec.command(codec.ON if on else codec.OFF))

    async def select_input(self, name: str) -> None:
        if name not in codec.INPUTS:
            raise DeviceUnsupportedError(
                f'{self._config.whose} has no input "{name}"; there are: {", ".join(codec.INPUTS)}'
            )
        await self._line.send(codec.command((0x02, codec.INPUTS[name])))


@asynccontextmanager
async def connect(config: ClevertouchConfig, known: DisplayInfo | None) -> AsyncIterator[Display]:
    """Open the line; see `agent.devices.display`."""
    async with open_line(config, connect_s=CONNECT_S, gap_s=GAP_S) as line:
        yield ClevertouchDisplay(line, config)


driver = DisplayDriver(name="clevertouch", config=ClevertouchConfig, connect=connect)
