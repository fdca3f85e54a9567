"""A camera that is turned by ONVIF: every move has its limit in the camera, and is said again while it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from agent.devices import onvif_words as words
from agent.devices.onvif_device import OnvifConfig, OnvifDevice, call, connected
from agent.devices.onvif_words import Named
from agent.devices.ptz import LIMIT_S, Position, Preset, PtzCapability, PtzDriver, PtzInfo
from protocol.errors import DeviceUnsupportedError

SLACK = 0.004
"""Of a range of 2: by so much a camera may miss a stored view; less than a degree of a full turn."""
EXCHANGE_S = 2.0
"""A button that nothing follows for longer is a camera that is gone."""


class OnvifPtz:
    """A connected camera: a `agent.devices.ptz.Ptz`."""

    def __init__(self, device: OnvifDevice, service: Any, profile: str, info: PtzInfo) -> None:
        self.info = info
        self._device = device
        self._service = service
        self._profile = profile
        self._turn = asyncio.Lock()

    async def move(self, pan: float, tilt: float, zoom: float) -> None:
        if pan or tilt:
            self._need("pan-tilt", "does not turn")
        if zoom:
            self._need("zoom", "does not zoom")
        if not (pan or tilt or zoom):
            await self.stop()
            return
        velocity: dict[str, dict[str, float]] = {}
        if "pan-tilt" in self.info.capabilities:
            velocity["PanTilt"] = {"x": pan, "y": tilt}
        if "zoom" in self.info.capabilities:
            velocity["Zoom"] = {"x": zoom}
        await self._ask("ContinuousMove", Velocity=velocity, Timeout=timedelta(seconds=LIMIT_S))

    async def stop(self) -> None:
        await self._ask("Stop", PanTilt=True, Zoom=True)

    async def recall(self, preset: str) -> None:
        self._need("presets", "has no presets")
        token = words.choose_preset(await self._presets(), preset, self._device.label)
        await self._ask("GotoPreset", PresetToken=token)

    async def store(self, preset: str) -> None:
        """Store the view anew under a preset's token or name, or as a new one of this name."""
        self._need("store-presets", "stores no presets")
        known = await self._presets()
        try:
            which = {"PresetToken": words.choose_preset(known, preset, self._device.label)}
        except DeviceUnsupportedError as error:
            if error.code != "preset-not-found":
                raise
            which = {"PresetName": preset}
        await self._ask("SetPreset", **which)

    async def presets(self) -> Sequence[Preset]:
        self._need("list-presets", "has no presets")
        return [Preset(one.token, one.name) for one in await self._presets()]

    async def position(self) -> Position:
        self._need("position", "does not tell where it looks")
        status = await self._ask("GetStatus")
        where = status.Position if status is not None else None
        pan_tilt, zoom = (where.PanTilt, where.Zoom) if where is not None else (None, None)
        return Position(
            None if pan_tilt is None else float(pan_tilt.x),
            None if pan_tilt is None else float(pan_tilt.y),
            None if zoom is None else float(zoom.x),
        )

    async def _presets(self) -> list[Named]:
        return [Named(str(one.token), str(one.Name or one.token)) for one in await self._ask("GetPresets") or ()]

    async def _ask(self, operation: str, **details: object) -> Any:
        async with self._turn:
            asked = getattr(self._service, operation)({"ProfileToken": self._profile, **details})
            return await call(asked, self._device.label, EXCHANGE_S)

    def _need(self, capability: PtzCapability, what: str) -> None:
        if capability not in self.info.capabilities:
            raise DeviceUnsupportedError(f"{self._device.label}: this camera {what}; take it out of the panel")


@asynccontextmanager
async def connect(config: OnvifConfig) -> AsyncIterator[OnvifPtz]:
    """Connect and ask what the camera can do. Raises DeviceError and its kinds."""
    # A device's own address, from the room's configuration: whoever mends the room needs it.
    label = f"PTZ camera at {config.host} port {config.port}"
    async with connected(config, label) as device:
        profile = words.choose_profile(device.profiles, config.profile, label, turns=True)
        if not profile.ptz_node:
            raise DeviceUnsupportedError(f'{label}: profile "{profile.name}" has no motor; choose another profile')
        service = await device.ptz()
        node = await call(service.GetNode({"NodeToken": profile.ptz_node}), label)
        spaces = node.SupportedPTZSpaces
        able = words.capabilities(
            pan_tilt=bool(spaces.ContinuousPanTiltVelocitySpace),
            zoom=bool(spaces.ContinuousZoomVelocitySpace),
            presets=int(node.MaximumNumberOfPresets or 0),
        )
        if not able:
            raise DeviceUnsupportedError(f"{label}: the camera neither turns nor zooms; take another driver")
        yield OnvifPtz(device, service, profile.token, PtzInfo("onvif", device.name, able, SLACK))


driver = PtzDriver(name="onvif", config=OnvifConfig, connect=connect)
