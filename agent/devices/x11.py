"""The room's screen, or a part of its X11 session, as a board: changed pictures only.

The X server's DAMAGE extension says when something was drawn (a still screen then costs nothing); FFmpeg's x11grab
takes the picture through shared memory. The panel's own windows are not in it (`agent.devices.x11_panel`).
"""

from __future__ import annotations

import re
import select
import time
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from agent.devices.base import CaptureDriver, DriverConfig
from agent.devices.capture_child import CaptureChild
from agent.devices.x11_panel import PANEL_CLASS, PanelWindows
from protocol.errors import DeviceError, DeviceLostError, DeviceNotFoundError
from protocol.messages import DeviceRole

if TYPE_CHECKING:
    from av.container import InputContainer

KEEP_ALIVE_S = 5.0
"""A still board is sent again so often, for viewers whose decoder lost something."""

LONGEST_WAIT_S = 0.2
"""The loop turns at least so often, and tells the agent that it does."""

GRAB_RATE_HZ = 60
"""x11grab must never be what waits; our own loop keeps the pace."""

REPORT_NON_EMPTY = 3
"""One event when damage begins, none before it is taken note of (X Damage Extension 1.1, DamageReportNonEmpty)."""


class X11Config(DriverConfig):
    """``rate_hz`` is how often at most a changing screen is taken; larger screens are scaled down to the size given."""

    display: str = Field(default=":0", pattern=r"^[\w.-]*:\d+(\.\d+)?$")
    rate_hz: float = Field(default=10.0, gt=0, le=30)
    width_px: int = Field(default=1920, ge=320, le=1920, multiple_of=2)
    height_px: int = Field(default=1080, ge=180, le=1080, multiple_of=2)
    show_pointer: bool = True
    panel_class: str = Field(default=PANEL_CLASS, min_length=1, max_length=64)


class Screen:
    """The X connection: size, and whether something was drawn or the pointer moved."""

    def __init__(self, display: str, label: str, *, show_pointer: bool, panel_class: str) -> None:
        """Connect. Raises DeviceNotFoundError when there is no such display, DeviceError when it refuses us."""
        from Xlib import display as xdisplay
        from Xlib import error as xerror
        from Xlib.ext import damage

        try:
            self._display: Any = xdisplay.Display(display)
        except (xerror.DisplayNameError, xerror.DisplayConnectionError, OSError) as problem:
            text = re.sub(r"\s+", " ", str(problem)).strip()
            if "uthoriz" in text or "rotocol specified" in text:
                what = "run the agent in the X session, or set XAUTHORITY to its file"
                raise DeviceError(f'{label}: display "{display}" refuses us ({text}); {what}') from None
            what = "start the X session, or correct display in the configuration"
            raise DeviceNotFoundError(f'{label}: there is no display "{display}"; {what}') from None
        self._root = self._display.screen().root
        self._show_pointer = show_pointer
        self._pointer: tuple[int, int] | None = None
        self._damage: Any = None
        self._seen = 0
        self._is_drawn = False
        width_px, height_px = self.size()
        self.panel = PanelWindows(self._display, (width_px // 2 * 2, height_px // 2 * 2), panel_class, time.monotonic)
        if self._display.has_extension("DAMAGE"):
            self._display.damage_query_version()
            self._damage = self._root.damage_create(damage.DamageReportNonEmpty)
            self._display.flush()

    def wait_change(self, most_s: float) -> bool:
        """Wait, at most so long, until something was drawn; return whether a picture should be taken.

        A server without DAMAGE cannot tell: then the time passes and the answer is yes.
        """
        deadline_s = time.monotonic() + most_s
        while self._damage is not None:
            self.read_events()
            due_s = self.panel.due_mono_s
            if due_s is not None and time.monotonic() >= due_s:
                return True
            if self._is_drawn:
                self._is_drawn = False
                # Noted before the picture is taken: what is drawn from now on is the next change.
                self._display.damage_subtract(self._damage, 0, 0)
                self._display.flush()
                return True
            if self._has_pointer_moved():
                return True
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return False
            if due_s is not None:
                left_s = min(left_s, max(0.0, due_s - time.monotonic()))
            select.select([self._display.fileno()], [], [], left_s)
        self.read_events()
        return True

    def read_events(self) -> None:
        """Take what the server has said: what was drawn, and which windows changed."""
        while self._display.pending_events():
            if not self.panel.heard(self._display.next_event()):
                self._is_drawn = True

    def without_panel(self, take: Callable[[], NDArray[np.uint8]]) -> tuple[NDArray[np.uint8], bool]:
        """Return the picture that ``take`` takes now with what lies beneath the panel, and whether it is a new one."""
        self.panel.look()
        picture, is_new = self.panel.cover(take(), self.read_events)
        return picture, is_new and self._is_changed(picture)

    def _is_changed(self, picture: NDArray[np.uint8]) -> bool:
        """Return whether this picture differs from the last one asked about; with DAMAGE that is known already."""
        if self._damage is not None:
            return True
        seen = zlib.adler32(picture[::2, ::2].tobytes())
        is_same, self._seen = seen == self._seen, seen
        return not is_same

    def close(self) -> None:
        """Leave the server."""
        self._display.close()

    def size(self) -> tuple[int, int]:
        """Return the screen's present width and height."""
        geometry = self._root.get_geometry()
        return geometry.width, geometry.height

    def _has_pointer_moved(self) -> bool:
        """A pointer is drawn without damage; a teacher points with it all the same."""
        if not self._show_pointer:
            return False
        at = self._root.query_pointer()
        before, self._pointer = self._pointer, (at.root_x, at.root_y)
        return before is not None and before != self._pointer


class Grabber:
    """Takes pictures of the screen."""

    def __init__(self, config: X11Config, width_px: int, height_px: int) -> None:
        import av

        options = {
            "video_size": f"{width_px}x{height_px}",
            "framerate": str(GRAB_RATE_HZ),
            "draw_mouse": str(int(config.show_pointer)),
        }
        self._container: InputContainer = av.open(config.display, format="x11grab", options=options)
        self._packets = self._container.demux(video=0)
        self._width_px, self._height_px = width_px, height_px

    def picture(self) -> NDArray[np.uint8]:
        """Return the screen as it is, shape ``(height, width, 4)``, BGRX. Raises OSError when the server is gone."""
        whole = np.frombuffer(memoryview(next(self._packets)), np.uint8)
        picture: NDArray[np.uint8] = whole[: self._width_px * self._height_px * 4]
        return picture.reshape(self._height_px, self._width_px, 4)


def capture(child: CaptureChild, config: X11Config) -> None:
    """Send the screen when it changes, until told to stop."""
    import av  # here alone: the agent reads this module for its configuration
    import cv2
    from Xlib.error import ConnectionClosedError

    from agent.devices.file_camera import fit

    screen = Screen(config.display, child.label, show_pointer=config.show_pointer, panel_class=config.panel_class)
    native_size = screen.size()
    native_px = native_size[0] // 2 * 2, native_size[1] // 2 * 2
    width_px, height_px = fit(*native_px, config.width_px, config.height_px)
    try:
        grabber = Grabber(config, *native_px)
        picture, _ = screen.without_panel(grabber.picture)
    except (OSError, av.FFmpegError) as error:
        raise DeviceError(f'{child.label}: display "{config.display}" cannot be taken ({_reason(error)})') from None
    child.opened(f"X11 {config.display}", width_px=width_px, height_px=height_px, rate_hz=config.rate_hz)
    scaled = None if native_px == (width_px, height_px) else np.empty((height_px, width_px, 4), np.uint8)
    taken_mono_s = time.monotonic()
    sent_mono_s = -KEEP_ALIVE_S
    unsent = True
    try:
        while True:
            if unsent or taken_mono_s - sent_mono_s >= KEEP_ALIVE_S:
                slot = child.next_slot()
                if slot is not None:
                    if scaled is not None:
                        cv2.resize(picture, (width_px, height_px), dst=scaled, interpolation=cv2.INTER_AREA)
                    cv2.cvtColor(picture if scaled is None else scaled, cv2.COLOR_BGRA2YUV_I420, dst=slot)
                    child.send_slot(taken_mono_s)
                    sent_mono_s, unsent = taken_mono_s, False
            child.alive()
            if child.wait_until(taken_mono_s + 1 / config.rate_hz):
                return
            while not screen.wait_change(LONGEST_WAIT_S) and not unsent:
                child.alive()
                if child.should_stop():
                    return
                if time.monotonic() - sent_mono_s >= KEEP_ALIVE_S:
                    break
            taken_mono_s = time.monotonic()
            picture, is_changed = screen.without_panel(grabber.picture)
            unsent = unsent or is_changed
            if screen.size() != native_size:
                raise DeviceLostError(f'{child.label}: display "{config.display}" changed its size; it is opened anew')
    except (ConnectionClosedError, OSError, av.FFmpegError, StopIteration) as error:
        what = f'display "{config.display}" is gone ({_reason(error)}); the X session ended'
        raise DeviceLostError(f"{child.label}: {what}") from None


def _reason(error: Exception) -> str:
    """Say what went wrong without FFmpeg's numbers."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


driver = CaptureDriver(
    name="x11",
    role=DeviceRole.BOARD,
    config=X11Config,
    child="agent.devices.x11:capture",
    imports=("av", "cv2", "Xlib.display", "Xlib.ext.damage", "Xlib.ext.shape"),
)
