"""The cable between mini-PC and board, as the kernel sees it: screens that are connected and awake."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.devices.display import DisplayStatus, Power

LEAST_SHARE = 0.95
"""A board that gets fewer lines than this of the desktop's own shows writing too coarse to be read."""
ASPECT_MOST = 0.03


@dataclass(frozen=True, slots=True)
class Output:
    """One connector of the graphics card."""

    name: str
    is_connected: bool
    is_awake: bool | None


def read_outputs(root: Path = Path("/")) -> tuple[Output, ...]:
    """Return the connectors that the kernel can tell of; none on a machine without. Reads /sys."""
    found = []
    for folder in sorted((root / "sys/class/drm").glob("card[0-9]*-*")):
        status = _text(folder / "status")
        if status in ("connected", "disconnected"):  # the kernel does not know of VGA without a probe
            dpms = _text(folder / "dpms")
            found.append(Output(folder.name, status == "connected", None if not dpms else dpms == "On"))
    return tuple(found)


class BoardOutput:
    """Judges the way from the mini-PC to the board. Only while the board itself says that it is on, at our input: one
    that somebody switched off, or turned to another computer, is no fault.

    ``outputs`` is asked in a thread, ``desktop`` on the loop: the size of what the mini-PC shows, where that is known.
    """

    def __init__(
        self,
        outputs: Callable[[], tuple[Output, ...]] = read_outputs,
        desktop: Callable[[], tuple[int, int] | None] = lambda: None,
    ) -> None:
        self._outputs = outputs
        self._desktop = desktop

    async def fault(self, status: DisplayStatus, wanted: str | None) -> str | None:
        """Return what is wrong as a code of `agent.board_words`, or None."""
        if status.power is not Power.ON or wanted is None or status.input != wanted:
            return None
        outputs = await asyncio.to_thread(self._outputs)
        connected = [one for one in outputs if one.is_connected]
        if outputs and not connected:
            return "board-cable"
        if connected and all(one.is_awake is False for one in connected):
            return "board-asleep"
        if len(connected) == 1 and _is_coarse(status.resolution, self._desktop()):
            return "board-resolution"
        return None


def _is_coarse(shown: tuple[int, int] | None, desktop: tuple[int, int] | None) -> bool:
    """Whether the board gets less than the desktop's picture, or another shape of it."""
    if shown is None or desktop is None or not all((*shown, *desktop)):
        return False
    is_other_shape = abs(shown[0] / shown[1] / (desktop[0] / desktop[1]) - 1) > ASPECT_MOST
    return is_other_shape or shown[1] < LEAST_SHARE * desktop[1]


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
