"""Any display whose manual has a table of frames: the room's configuration says which, and what answers mean what.

Frames that wipe, upgrade or restart are refused with the configuration, and once more before anything is sent.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from pydantic import Field, model_validator

from agent.devices import generic_codec as codec
from agent.devices.byte_line import ByteLine, LineConfig, exchange, open_line
from agent.devices.display import Display, DisplayDriver, DisplayInfo, DisplayStatus, Power
from protocol.errors import DeviceLostError, DeviceProtocolError, DeviceUnsupportedError


@dataclass(frozen=True, slots=True)
class Pace:
    """How long each step may take, in seconds."""

    connect_s: float = 3.0
    answer_s: float = 1.0
    quiet_s: float = 0.2
    """An answer is whole when nothing more came for this long: frames end in as many ways as there are makers."""
    tries: int = 3


PACE = Pace()


class GenericConfig(LineConfig):
    """Frames and patterns. A pattern is a regular expression, looked for in the answer: in hex as ``FE 09 01 CF``."""

    encoding: codec.Encoding
    on: str = Field(description="the frame that switches on")
    off: str | None = Field(default=None, description="the frame that switches to standby")
    accepted: str | None = Field(default=None, description="pattern of the answer to on, off and inputs")
    status: str | None = Field(default=None, description="the frame that asks for the power; harmless")
    is_on: str | None = Field(default=None, description="pattern of its answer while it is on")
    is_off: str | None = Field(default=None, description="pattern of its answer in standby")
    inputs: dict[str, str] = Field(default_factory=dict, description="frames by the names that you give the inputs")
    input_status: str | None = Field(default=None, description="the frame that asks for the input; harmless")
    shown: dict[str, str] = Field(default_factory=dict, description="patterns of its answer, by those names")

    @model_validator(mode="after")
    def _frames_and_patterns(self) -> Self:
        for key, text in self.frames().items():
            try:
                codec.read_frame(text, self.encoding)
            except ValueError as error:
                raise ValueError(f'{key} = "{text}" {error}') from None
        patterns = {"accepted": self.accepted, "is_on": self.is_on, "is_off": self.is_off}
        for key, pattern in {**patterns, **{f"shown.{name}": text for name, text in self.shown.items()}}.items():
            try:
                re.compile(pattern or "")
            except re.error as error:
                raise ValueError(f'{key} = "{pattern}" is no regular expression ({error})') from None
        if (self.status is None) != (self.is_on is None) or (self.is_off is not None and self.status is None):
            raise ValueError("status and is_on belong together: the frame that asks, and how it answers while on")
        if self.input is not None and self.input not in self.inputs:
            raise ValueError(f'input = "{self.input}" has no frame under inputs; write one')
        if (self.shown and self.input_status is None) or not set(self.shown) <= set(self.inputs):
            raise ValueError("shown needs input_status, and names of inputs that have a frame")
        return self

    def frames(self) -> dict[str, str]:
        """Return every frame by its key."""
        single = {key: getattr(self, key) for key in ("on", "off", "status", "input_status")}
        return {key: text for key, text in single.items() if text is not None} | {
            f"inputs.{name}": text for name, text in self.inputs.items()
        }


class GenericDisplay:
    """An open line; `Display` as far as the configuration has frames for it."""

    def __init__(self, line: ByteLine, config: GenericConfig, pace: Pace) -> None:
        can = {"power"} if config.status is not None else {"wake"}
        self.info = DisplayInfo(
            driver="generic",
            protocol="frames of the configuration",
            capabilities=frozenset(can | ({"input"} if config.shown else set())),
            inputs=dict.fromkeys(config.inputs, ""),
        )
        self._line = line
        self._config = config
        self._pace = pace

    async def status(self) -> DisplayStatus:
        power = await self._power()
        shown = await self._shown() if power is not Power.STANDBY else None
        return DisplayStatus(power=power, input=shown)

    async def power(self, on: bool) -> None:
        frame = self._config.on if on else self._config.off
        if frame is None:
            raise DeviceUnsupportedError(f"{self._config.whose} has no frame that switches it off; write display.off")
        try:
            await self._order(frame)
        except DeviceLostError:
            if on:
                raise  # switched off, some cut their line

    async def select_input(self, name: str) -> None:
        frame = self._config.inputs.get(name)
        if frame is None:
            known = ", ".join(self._config.inputs) or "none"
            raise DeviceUnsupportedError(f'{self._config.whose} has no frame for input "{name}"; there are: {known}')
        await self._order(frame)

    async def _power(self) -> Power:
        config = self._config
        if config.status is None or config.is_on is None:
            return Power.UNKNOWN
        answer = await self._ask(config.status)
        if re.search(config.is_on, codec.shown(answer, config.encoding)):
            return Power.ON
        if config.is_off is None or re.search(config.is_off, codec.shown(answer, config.encoding)):
            return Power.STANDBY
        raise self._line.foreign(answer)

    async def _shown(self) -> str | None:
        if self._config.input_status is None or not self._config.shown:
            return None
        text = codec.shown(await self._ask(self._config.input_status), self._config.encoding)
        return next((name for name, pattern in self._config.shown.items() if re.search(pattern, text)), None)

    async def _order(self, frame: str) -> None:
        """Send a frame; where the configuration says how it is accepted, that must come."""
        config = self._config
        if config.accepted is None:
            await self._line.send(self._bytes(frame))
            return
        answer = await self._ask(frame)
        if not re.search(config.accepted, codec.shown(answer, config.encoding)):
            raise self._line.foreign(answer)

    async def _ask(self, frame: str) -> bytes:
        async def read() -> bytes:
            return await self._line.read_quiet(within_s=self._pace.answer_s, quiet_s=self._pace.quiet_s)

        return await exchange(self._line, self._bytes(frame), read, tries=self._pace.tries)

    def _bytes(self, frame: str) -> bytes:
        try:
            return codec.read_frame(frame, self._config.encoding)
        except ValueError as error:  # a configuration that was not checked, as one made by hand
            raise DeviceProtocolError(f'{self._config.whose}: the frame "{frame}" {error}') from None


@asynccontextmanager
async def connect(config: GenericConfig, known: DisplayInfo | None, *, pace: Pace = PACE) -> AsyncIterator[Display]:
    """Open the line; what it can do stands in the configuration."""
    async with open_line(config, connect_s=pace.connect_s) as line:
        yield GenericDisplay(line, config, pace)


driver = DisplayDriver(name="generic", config=GenericConfig, connect=connect)
