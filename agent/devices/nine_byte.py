"""Interactive panels of ViewSonic (IFP) and BenQ (RP, RM, ST), over TCP or on their serial port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from pydantic import Field, model_validator

from agent.devices import nine_byte_codec as codec
from agent.devices.byte_line import ByteLine, LineConfig, exchange, open_line
from agent.devices.display import Display, DisplayDriver, DisplayInfo, DisplayStatus, Power, UnreadableError
from protocol.errors import DeviceLostError, DeviceUnsupportedError


@dataclass(frozen=True, slots=True)
class Pace:
    """How long each step may take, in seconds."""

    connect_s: float = 3.0
    answer_s: float = 1.0
    tries: int = 3


PACE = Pace()


class NineByteConfig(LineConfig):
    """A panel of one of the two makers; ``baud`` is 9600 or, with some BenQ, 38400."""

    family: codec.Family
    port: int = Field(default=5000, ge=1, le=65535, description="left out: the maker's own, 5000 or 4660")
    number: int = Field(default=1, ge=1, le=98, description="the panel's ID in its menu")

    @model_validator(mode="before")
    @classmethod
    def _as_the_maker_has_it(cls, raw: object) -> object:
        if not isinstance(raw, dict) or raw.get("family") not in codec.PORTS:
            return raw
        own: dict[str, object] = {"port": codec.PORTS[raw["family"]]}
        if isinstance(raw.get("input"), str):
            try:
                own["input"] = codec.input_name(raw["input"], raw["family"])
            except ValueError as error:
                raise ValueError(f'input "{raw["input"]}" {error}') from None
        return {"port": own.pop("port"), **raw, **own}


class NineByteDisplay:
    """An open line to a panel; `Display`."""

    def __init__(self, line: ByteLine, config: NineByteConfig, info: DisplayInfo, pace: Pace) -> None:
        self.info = info
        self._line = line
        self._config = config
        self._pace = pace

    async def status(self) -> DisplayStatus:
        power, shown, has_signal = Power.UNKNOWN, None, None
        if "power" in self.info.capabilities:
            power = await self._power() or Power.UNKNOWN
        if power is not Power.STANDBY and "input" in self.info.capabilities:
            shown, has_signal = await self._input() or (None, None)
        elif power is not Power.STANDBY and "signal" in self.info.capabilities:
            has_signal = await self._get(codec.GET_SIGNAL) == "001"
        return DisplayStatus(power=power, input=shown, has_signal=has_signal)

    async def power(self, on: bool) -> None:
        try:
            is_taken = await self._set(codec.SET_POWER, codec.ON if on else codec.OFF)
        except DeviceLostError:
            if on:
                raise
            return  # its network goes down with it
        if not is_taken:
            raise DeviceUnsupportedError(
                f"{self._config.whose} does not take its power this way; allow it in its menu, or set wake_mac"
            )

    async def select_input(self, name: str) -> None:
        family = self._config.family
        try:
            code = codec.input_code(name, family)
        except ValueError as error:
            raise DeviceUnsupportedError(f'{self._config.whose}: input "{name}" {error}') from None
        if not await self._set(codec.SET_INPUT, code):
            raise DeviceUnsupportedError(f'{self._config.whose} does not take input "{name}"; correct display.input')

    async def identify(self) -> None:
        """Fill ``info`` by asking: what is answered with ``-`` it cannot. Silence is a device that is not there."""
        can = set()
        power = await self._power()
        if power is not None:
            can.add("power")
        else:
            can.add("wake")  # it takes the command, and does not say how it stands
        if power is not Power.STANDBY:
            if await self._input() is not None:
                can |= {"input", "signal"}
            elif self._config.family == "benq" and await self._get(codec.GET_SIGNAL) in ("000", "001"):
                can.add("signal")
        self.info = replace(self.info, capabilities=frozenset(can))

    async def _power(self) -> Power | None:
        value = await self._get(codec.GET_POWER)
        try:
            return None if value is None else codec.parse_power(value)
        except UnreadableError:
            raise self._line.foreign((value or "").encode()) from None

    async def _input(self) -> tuple[str, bool] | None:
        value = await self._get(codec.GET_INPUT)
        try:
            return None if value is None else codec.parse_input(value, self._config.family)
        except (UnreadableError, ValueError):
            raise self._line.foreign((value or "").encode()) from None

    async def _get(self, code: str) -> str | None:
        answer = await self._ask(codec.command("g", code, number=self._config.number), code)
        return answer.value if isinstance(answer, codec.Value) else None

    async def _set(self, code: str, value: str) -> bool:
        answer = await self._ask(codec.command("s", code, value, number=self._config.number), None)
        return isinstance(answer, codec.Ack) and answer.is_taken

    async def _ask(self, command: bytes, asked: str | None) -> codec.Ack | codec.Value:
        """Send a command and return its answer; the late answer to an earlier one is passed over."""

        async def read() -> codec.Ack | codec.Value:
            while True:
                raw = await self._line.read_until(codec.END, within_s=self._pace.answer_s, most=codec.ANSWER_MOST)
                try:
                    answer = codec.parse(raw)
                except UnreadableError:
                    raise self._line.foreign(raw) from None
                if isinstance(answer, codec.Ack) or answer.code == asked:
                    return answer

        return await exchange(self._line, command, read, tries=self._pace.tries)


@asynccontextmanager
async def connect(config: NineByteConfig, known: DisplayInfo | None, *, pace: Pace = PACE) -> AsyncIterator[Display]:
    """Open the line and ask what the panel knows; see `agent.devices.display`."""
    async with open_line(config, connect_s=pace.connect_s) as line:
        info = known or DisplayInfo(driver="nine-byte", protocol="nine bytes", maker=config.family)
        display = NineByteDisplay(line, config, info, pace)
        if known is None or not known.capabilities & {"input", "signal"}:  # in standby it would not say
            await display.identify()
        yield display


driver = DisplayDriver(name="nine-byte", config=NineByteConfig, connect=connect)
