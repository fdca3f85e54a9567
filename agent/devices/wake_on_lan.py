"""Wake-on-LAN: one packet that a sleeping network card knows, sent three times since nothing answers it.

Every display can be woken so (``wake_mac``); the driver here is for one that can do nothing else.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import field_validator

from agent.devices.display import Display, DisplayConfig, DisplayDriver, DisplayInfo, DisplayStatus, Mac, Power
from protocol.errors import DeviceNotFoundError, DeviceUnsupportedError

PORT = 9
"""UDP *discard*: nobody listens there but the card."""
TIMES, PAUSE_S = 3, 0.1


def magic_packet(mac: str) -> bytes:
    """Return the 102 bytes that wake ``mac``: six of FF, then the address sixteen times (AMD, *Magic Packet*, 1995)."""
    digits = re.sub(r"[:-]", "", mac)
    if not re.fullmatch(r"[0-9a-fA-F]{12}", digits):
        raise ValueError(f'"{mac}" is no MAC address; write it as aa:bb:cc:dd:ee:ff')
    return b"\xff" * 6 + bytes.fromhex(digits) * 16


class _Sending(asyncio.DatagramProtocol):
    """Keeps what the kernel says of a datagram that it could not send."""

    error: Exception | None = None

    def error_received(self, exc: Exception) -> None:
        self.error = exc


async def wake(mac: str, address: str = "255.255.255.255", *, port: int = PORT) -> None:
    """Send the packet to an IPv4 address, as a rule a broadcast.

    Raises DeviceNotFoundError when this machine has no way there.
    """
    packet = magic_packet(mac)
    loop = asyncio.get_running_loop()
    transport, sending = await loop.create_datagram_endpoint(
        _Sending,
        family=socket.AF_INET,
        local_addr=("0.0.0.0", 0),  # noqa: S104 -- nothing is received
        allow_broadcast=True,
    )
    try:
        for number in range(TIMES):
            if number:
                await asyncio.sleep(PAUSE_S)
            transport.sendto(packet, (address, port))
        await asyncio.sleep(0)
    finally:
        transport.close()
    if sending.error is not None:
        raise DeviceNotFoundError(
            f"the board cannot be woken: nothing can be sent to {address} ({sending.error}); correct wake_address"
        )


class WakeOnLanConfig(DisplayConfig):
    """A board that is woken over its network card, and goes to sleep by itself or by hand."""

    wake_mac: Mac

    @field_validator("input")
    @classmethod
    def _input_is_none(cls, name: str | None) -> str | None:
        if name is not None:
            raise ValueError("cannot be chosen by Wake-on-LAN; leave it out")
        return name


class WakeOnLanDisplay:
    """`Display` without an answer to anything."""

    info = DisplayInfo(driver="wake-on-lan", protocol="Wake-on-LAN", capabilities=frozenset({"wake"}))

    def __init__(self, config: WakeOnLanConfig) -> None:
        self._config = config

    async def status(self) -> DisplayStatus:
        return DisplayStatus(power=Power.UNKNOWN)

    async def power(self, on: bool) -> None:
        if not on:
            raise DeviceUnsupportedError(f"the board at {self._config.wake_mac} can be woken only, not switched off")
        await wake(self._config.wake_mac, str(self._config.wake_address))

    async def select_input(self, name: str) -> None:
        raise DeviceUnsupportedError(f"the board at {self._config.wake_mac} can be woken only, not set to {name}")


@asynccontextmanager
async def connect(config: WakeOnLanConfig, known: DisplayInfo | None) -> AsyncIterator[Display]:
    """Open nothing: there is nobody to ask."""
    yield WakeOnLanDisplay(config)


driver = DisplayDriver(name="wake-on-lan", config=WakeOnLanConfig, connect=connect)
