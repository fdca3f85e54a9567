"""Displays on HDMI-CEC, through ``cec-ctl`` as a program of its own: it can hang, and is ended then.

Needs a kernel adapter (/dev/cecN): a Pulse-Eight USB dongle, or a board whose HDMI port has one; most Intel mini-PCs
have none. What a display shows cannot be asked in a way that displays keep to, so the input is chosen and not put back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, field_validator

from agent.devices import cec_codec as codec
from agent.devices.display import (
    Display,
    DisplayConfig,
    DisplayDriver,
    DisplayInfo,
    DisplayStatus,
    UnreadableError,
)
from protocol.errors import (
    DeviceError,
    DeviceNotFoundError,
    DevicePermissionError,
    DeviceProtocolError,
    DeviceTimeoutError,
    DeviceUnsupportedError,
)

OWN = "own"
"""The one input that CEC lets us choose: where our cable is."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The program, how long it may take, and how often it is tried."""

    program: str = "cec-ctl"
    run_s: float = 10.0
    """A message takes 16-90 ms, the first 0.6 s, an answer that does not come 1 s (measured with a virtual adapter)."""
    tries: int = 3


PACE = Pace()


class CecConfig(DisplayConfig):
    """A display behind a CEC adapter."""

    device: Path = Field(default=Path("/dev/cec0"), description="the kernel's adapter")

    @field_validator("input")
    @classmethod
    def _input_is_own(cls, name: str | None) -> str | None:
        if name not in (None, OWN):
            raise ValueError(f'is no input of CEC; write "{OWN}", for where the mini-PC is plugged in, or leave it out')
        return name

    @property
    def whose(self) -> str:
        return f"display behind {self.device}"


class CecDisplay:
    """A configured adapter; `Display`."""

    info = DisplayInfo(driver="cec", protocol="HDMI-CEC", capabilities=frozenset({"power"}), inputs={OWN: ""})

    def __init__(self, config: CecConfig, address: str, pace: Pace) -> None:
        self._config = config
        self._address = address
        self._pace = pace

    async def status(self) -> DisplayStatus:
        for _ in range(self._pace.tries):
            printed = await self._send(codec.ASK_POWER)
            try:
                power = codec.parse_power(printed)
            except UnreadableError as error:
                raise DeviceProtocolError(f"{self._config.whose}: {error}, which CEC does not know") from None
            if power is not None:
                return DisplayStatus(power=power)
        raise DeviceTimeoutError(f"{self._config.whose} does not say its power; switch CEC on in its menu")

    async def power(self, on: bool) -> None:
        await self._send(codec.WAKE if on else codec.SLEEP)

    async def select_input(self, name: str) -> None:
        if name != OWN:
            raise DeviceUnsupportedError(f'{self._config.whose}: CEC chooses "{OWN}" alone, not "{name}"')
        await self._send(codec.show(self._address))

    async def _send(self, arguments: tuple[str, ...]) -> str:
        printed = await _run(self._config, arguments, self._pace)
        if codec.is_refused(printed):
            raise DeviceNotFoundError(
                f"{self._config.whose} does not take CEC messages; check the cable, and switch CEC on in its menu"
            )
        return printed


async def _run(config: CecConfig, arguments: tuple[str, ...], pace: Pace) -> str:
    """Run the program once and return what it prints, complaints too."""
    try:
        process = await asyncio.create_subprocess_exec(
            pace.program,
            "-d",
            str(config.device),
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    except FileNotFoundError:
        raise DeviceNotFoundError(
            f"{config.whose}: the program cec-ctl is not there; install v4l-utils", code="program-missing"
        ) from None
    try:
        async with asyncio.timeout(pace.run_s):
            output, _ = await process.communicate()
    except TimeoutError:
        raise DeviceTimeoutError(f"{config.whose}: cec-ctl hung for {pace.run_s:g} s and was ended") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    printed = output.decode("utf-8", "replace")
    if process.returncode:
        raise _failed(printed, config)
    return printed


def _failed(printed: str, config: CecConfig) -> DeviceError:
    if "Permission denied" in printed:
        return DevicePermissionError(f"{config.whose}: the agent may not open it; put its user into the group video")
    if "No such" in printed:
        return DeviceNotFoundError(f"{config.whose}: the adapter is not there; plug it in, or correct device")
    if "unconfigured" in printed:
        return DeviceNotFoundError(f"{config.whose}: nothing is plugged into the adapter; check the HDMI cable")
    said = " ".join(printed.split())[:120]
    return DeviceProtocolError(f'{config.whose}: cec-ctl says "{said}"; check that this is a CEC adapter')


@asynccontextmanager
async def connect(config: CecConfig, known: DisplayInfo | None, *, pace: Pace = PACE) -> AsyncIterator[Display]:
    """Configure the adapter as a playback device; see `agent.devices.display`."""
    printed = await _run(config, codec.CONFIGURE, pace)
    try:
        address = codec.parse_address(printed)
    except UnreadableError as error:
        raise DeviceProtocolError(f"{config.whose} is no CEC adapter: {error}; correct device") from None
    if address is None:
        raise DeviceNotFoundError(f"{config.whose}: nothing is plugged into the adapter; check the HDMI cable")
    yield CecDisplay(config, address, pace)


driver = DisplayDriver(name="cec", config=CecConfig, connect=connect)
