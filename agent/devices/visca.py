"""A camera that is turned by VISCA: Sony's numbered packets over UDP, bare frames over TCP, UDP or a serial port.

Order of a connection: greet (Sony: RESET, the others: IF_Clear), ask version, pan-tilt position and zoom position; what
it answers is what it can do. Nothing is switched on or moved by connecting. VISCA has no limit on a drive in the camera
itself: whoever holds the connection must say stop (`agent.camera_moves`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from agent.devices import visca_codec as codec
from agent.devices.base import DriverConfig
from agent.devices.login import UNTOLD
from agent.devices.ptz import Position, Preset, PtzCapability, PtzDriver, PtzInfo
from agent.devices.visca_exchange import Exchange, RawExchange, SonyExchange, request
from agent.devices.visca_line import serial_line, tcp_line, udp_line
from protocol.errors import DeviceError, DeviceProtocolError, DeviceUnsupportedError

PORTS = {"sony-udp": 52381, "tcp": 5678, "udp": 1259}
SLACK = 8.0
"""Steps by which a camera may miss a stored view; less than a degree on all whose steps are public."""


class ViscaConfig(DriverConfig):
    """``host`` for the network's three, ``path`` for *serial*."""

    transport: Literal["sony-udp", "tcp", "udp", "serial"] = Field(
        default="sony-udp", description="Sony's VISCA over IP, or bare VISCA over tcp, udp or serial"
    )
    host: str = Field(default="", max_length=253, pattern=r"^\S*$", description="the camera's name or IP address")
    port: int | None = Field(default=None, ge=1, le=65535, description="52381 (sony-udp), 5678 (tcp), 1259 (udp)")
    local_port: int = Field(default=0, ge=0, le=65535, description="some cameras answer to 52381 alone; 0: any")
    path: Path | None = Field(default=None, description="the serial port, best one of /dev/serial/by-id/…")
    baud: Literal[9600, 19200, 38400, 115200] = 9600
    address: int = Field(default=1, ge=1, le=7, description="the camera's place on the serial line")
    top_pan: int = Field(default=codec.TOP_PAN, ge=1, le=0x18, description="speed at full deflection, of 24")
    top_tilt: int = Field(default=codec.TOP_TILT, ge=1, le=0x18, description="speed at full deflection; most end at 20")

    @model_validator(mode="after")
    def _has_a_way(self) -> Self:
        if self.transport == "serial" and self.path is None:
            raise PydanticCustomError(UNTOLD, "path is missing; write the serial port, as path = …")
        if self.transport != "serial" and not self.host:
            raise PydanticCustomError(UNTOLD, "host is missing; write the camera's name or IP address")
        return self


class ViscaCamera:
    """A connected camera: a `agent.devices.ptz.Ptz`."""

    def __init__(self, exchange: Exchange, config: ViscaConfig, info: PtzInfo) -> None:
        self.info = info
        self._exchange = exchange
        self._config = config
        self._turns = self._zooms = False

    async def move(self, pan: float, tilt: float, zoom: float) -> None:
        if pan or tilt:
            self._need("pan-tilt", "does not turn")
        if zoom:
            self._need("zoom", "does not zoom")
        if pan or tilt or self._turns:
            self._turns = True
            await request(self._exchange, codec.pan_tilt(pan, tilt, self._config.top_pan, self._config.top_tilt))
            self._turns = bool(pan or tilt)
        if zoom or self._zooms:
            self._zooms = True
            await request(self._exchange, codec.zoom(zoom))
            self._zooms = bool(zoom)

    async def stop(self) -> None:
        bodies = {"pan-tilt": codec.PAN_TILT_STOP, "zoom": codec.ZOOM_STOP}
        failed: DeviceError | None = None
        for capability, body in bodies.items():
            if capability not in self.info.capabilities:
                continue
            try:
                await request(self._exchange, body)
            except DeviceError as error:
                failed = failed or error
        if failed is not None:
            raise failed
        self._turns = self._zooms = False

    async def recall(self, preset: str) -> None:
        await self._preset(codec.recall_preset, "presets", preset)

    async def store(self, preset: str) -> None:
        await self._preset(codec.store_preset, "store-presets", preset)

    async def presets(self) -> Sequence[Preset]:
        raise DeviceUnsupportedError(
            f"{self._exchange.label}: VISCA cannot tell which presets are stored; the configuration says it"
        )

    async def position(self) -> Position:
        self._need("position", "does not tell where it looks")
        pan_tilt = zoom = None
        if "pan-tilt" in self.info.capabilities:
            pan_tilt = codec.pan_tilt_position(await request(self._exchange, codec.PT_POSITION))
        if "zoom" in self.info.capabilities:
            zoom = codec.zoom_position(await request(self._exchange, codec.ZOOM_POSITION))
        pan, tilt = pan_tilt or (None, None)
        return Position(pan, tilt, zoom)

    async def _preset(self, encode: Callable[[int], bytes], capability: PtzCapability, preset: str) -> None:
        self._need(capability, "has no presets")
        label = self._exchange.label
        if not preset.isdecimal() or int(preset) > codec.MOST_PRESET or int(preset) == codec.MENU_PRESET:
            what = f"VISCA has 0 to {codec.MOST_PRESET}, and {codec.MENU_PRESET} opens the camera's menu"
            raise DeviceUnsupportedError(f'{label}: there is no preset "{preset}"; {what}', code="preset-not-found")
        try:
            await request(self._exchange, encode(int(preset)))
        except DeviceUnsupportedError:
            what = "use one that its remote control can store"
            raise DeviceUnsupportedError(
                f'{label}: the camera has no preset "{preset}"; {what}', code="preset-not-found"
            ) from None

    def _need(self, capability: PtzCapability, what: str) -> None:
        if capability not in self.info.capabilities:
            raise DeviceUnsupportedError(f"{self._exchange.label}: this camera {what}; take it out of the panel")


@asynccontextmanager
async def connect(config: ViscaConfig) -> AsyncIterator[ViscaCamera]:
    """Connect and ask what the camera can do. Raises DeviceError and its kinds, in at most about 5 s."""
    async with AsyncExitStack() as stack:
        exchange = await _exchange(config, stack)
        await exchange.greet()
        yield ViscaCamera(exchange, config, await _ask_info(exchange))


async def _exchange(config: ViscaConfig, stack: AsyncExitStack) -> Exchange:
    if config.transport == "serial":
        assert config.path is not None
        label = f"PTZ camera {config.address} at {config.path}"
        line = await stack.enter_async_context(serial_line(label, config.path, config.baud))
        return RawExchange(line, address=config.address, is_chain=True)
    port = config.port or PORTS[config.transport]
    # A device's own address, from the room's configuration: whoever mends the room needs it.
    label = f"PTZ camera at {config.host} port {port}"
    if config.transport == "tcp":
        return RawExchange(await stack.enter_async_context(tcp_line(label, config.host, port)))
    line = await stack.enter_async_context(udp_line(label, config.host, port, config.local_port))
    return SonyExchange(line) if config.transport == "sony-udp" else RawExchange(line, resends=True)


async def _ask_info(exchange: Exchange) -> PtzInfo:
    capabilities: set[PtzCapability] = set()
    version = codec.version(await _answer(exchange, codec.VERSION) or b"")
    position = await _answer(exchange, codec.PT_POSITION)
    zoom = await _answer(exchange, codec.ZOOM_POSITION)
    if position is not None:
        capabilities |= {"pan-tilt"}
    if zoom is not None:
        capabilities |= {"zoom"}
    if position or zoom:
        capabilities |= {"position"}
    if not capabilities:
        raise DeviceProtocolError(
            f"{exchange.label}: the camera knows neither turning nor zooming; it is not one for VISCA"
        )
    capabilities |= {"presets", "store-presets"}
    name = f"VISCA camera {version[0]:04x}:{version[1]:04x}" if version else "VISCA camera"
    return PtzInfo("visca", name, frozenset(capabilities), SLACK)


async def _answer(exchange: Exchange, body: bytes) -> bytes | None:
    """Return an inquiry's answer; empty if the camera knows it and does not answer now; None if it does not know it."""
    try:
        return await request(exchange, body)
    except DeviceUnsupportedError:
        return None
    except DeviceError as error:
        if type(error) is not DeviceError:
            raise
        return b""


driver = PtzDriver(name="visca", config=ViscaConfig, connect=connect)
