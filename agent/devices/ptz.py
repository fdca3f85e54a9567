"""What a driver that turns a camera is: a small contract, found under the entry points ``estrade.ptz``.

Pictures and turning are two roles, for they often go two ways: USB or HDMI for the one, network or serial line for the
other. A driver of this role runs on the agent's loop: it sends a few bytes a second and never blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from agent.devices.base import DriverConfig

PtzCapability = Literal["pan-tilt", "zoom", "presets", "store-presets", "list-presets", "position"]

RENEW_S = 0.25
"""How often a move that goes on is said again. A camera that limits moves by itself is told to stop after `LIMIT_S`."""

LIMIT_S = 1.0


@dataclass(frozen=True, slots=True)
class PtzInfo:
    """What a camera said of itself. ``capabilities`` names what *this* camera answered that it can do.

    ``slack``: how far apart two positions of one and the same view may be, in the camera's units.
    """

    driver: str
    name: str
    capabilities: frozenset[PtzCapability] = field(default_factory=frozenset)
    slack: float = 0.0


@dataclass(frozen=True, slots=True)
class Position:
    """Where a camera looks, in its own units: to be compared with another position of the same camera, no more.

    None: it cannot say.
    """

    pan: float | None = None
    tilt: float | None = None
    zoom: float | None = None

    def is_whole(self, capabilities: frozenset[PtzCapability]) -> bool:
        """Say whether everything is told that this camera can change."""
        turned = "pan-tilt" not in capabilities or None not in (self.pan, self.tilt)
        return turned and ("zoom" not in capabilities or self.zoom is not None)

    def is_near(self, other: Position, slack: float) -> bool:
        """Say whether a camera looks the same way in both."""
        pairs = ((self.pan, other.pan), (self.tilt, other.tilt), (self.zoom, other.zoom))
        return all(
            mine is theirs is None or (mine is not None and theirs is not None and abs(mine - theirs) <= slack)
            for mine, theirs in pairs
        )


@dataclass(frozen=True, slots=True)
class Preset:
    """A stored view. ``id`` is what `Ptz.recall` takes; ``name`` is for people, and may be the same."""

    id: str
    name: str


class Ptz(Protocol):
    """A connected camera. Calls may overlap: they are carried out one after the other, each within a deadline.

    All raise DeviceUnsupportedError for what this camera cannot do (code ``preset-not-found`` for a preset that it has
    not), DeviceTimeoutError when it does not answer, DeviceLostError when the connection is gone (then for good:
    connect again), DeviceError when it refuses.
    """

    info: PtzInfo

    async def move(self, pan: float, tilt: float, zoom: float) -> None:
        """Turn at these speeds: shares of the top speed, -1 left, down, wide … 1 right, up, narrow; 0 stands.

        The camera goes on until `stop` or the next move, and by itself no longer than `LIMIT_S` where it can; so who
        wants to go on says it again each `RENEW_S`.
        """
        ...

    async def stop(self) -> None:
        """Stand still: pan, tilt and zoom. Each is tried even when another fails."""
        ...

    async def recall(self, preset: str) -> None:
        """Go to a stored view; returns when the camera has understood, which is seconds before it arrives."""
        ...

    async def store(self, preset: str) -> None:
        """Store the present view under this id."""
        ...

    async def presets(self) -> Sequence[Preset]:
        """Return the views that the camera has stored."""
        ...

    async def position(self) -> Position:
        """Return where the camera looks."""
        ...


@dataclass(frozen=True, slots=True)
class PtzDriver:
    """A driver that turns cameras.

    ``connect(config)`` connects, asks the camera what it can do and yields it; it disconnects at the end of the block
    and never leaves the camera turning by itself if it can help it. Raises DeviceError and its kinds.
    """

    name: str
    config: type[DriverConfig]
    connect: Callable[[Any], AbstractAsyncContextManager[Ptz]]
