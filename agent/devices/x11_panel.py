"""The panel's windows on the screen that is the board: where they are, so that nothing of them is ever sent.

One X11 session may show panel and board (DESIGN §6). The panel's windows are told by their class, which deploy/kiosk
gives its browser, and every other window of the same X client (menus, dialogs) by the client's part of its id.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

PANEL_CLASS = "estrade-panel"
TRANSLUCENT_BITS = 32
"""Depth of a window with an alpha channel: a compositor may show what lies beneath it."""
LINGER_S = 0.5
"""Where the panel was is held back this long: what lies beneath is painted first, by a program that may be busy."""
SLATE_BGRX = 0x001F3A34
"""What is sent where nothing was ever seen beneath the panel: the board's own green."""
DEEPEST = 3
"""A window manager puts a window into a frame, or into a frame in a frame."""

Rect = tuple[int, int, int, int]
"""Left, top, right, bottom; the last two are just outside."""


class PanelWindows:
    """Follows the windows of one screen. ``changes`` is fed every event of the X connection, `look` is called before
    and `cover` after each picture, so that a window that moves while the picture is taken is covered wherever it was.
    """

    def __init__(self, display: Any, size: tuple[int, int], name: str, clock: Callable[[], float]) -> None:
        from Xlib import X

        self._display = display
        self._root = display.screen().root
        self._name = name
        self._clock = clock
        self._width_px, self._height_px = size
        self._client_bits = ~display.display.info.resource_id_mask
        self._clients: dict[int, Any] = {}
        """The panel's X clients, each with the window that said so: the number of one that left is given to others."""
        self._may_have_left = False
        self._structure = {X.CreateNotify, X.DestroyNotify, X.MapNotify, X.UnmapNotify, X.ReparentNotify}
        self._moves = {X.ConfigureNotify, X.GravityNotify, X.CirculateNotify}
        self._is_panel: dict[int, bool] = {}
        self._stale = True
        self._seen: list[Rect] = []
        self._rects: list[Rect] = []
        self._mask: NDArray[np.bool_] | None = None
        self._former: NDArray[np.bool_] | None = None
        self._former_until_s = 0.0
        self._beneath: NDArray[np.uint32] | None = None
        self._root.change_attributes(event_mask=X.SubstructureNotifyMask)

    def heard(self, event: Any) -> bool:
        """Take an event; return whether it was one of windows."""
        if event.type in self._structure:
            self._is_panel.clear()
            self._may_have_left = True
        elif event.type not in self._moves:
            return False
        self._stale = True
        window = getattr(event, "window", None)
        if window is not None and self._is_panel.get(window.id) and hasattr(event, "width"):
            self._seen.append(self._rect(event))
        return True

    @property
    def due_mono_s(self) -> float | None:
        """When a picture should be taken though nothing was drawn: what was held back may be seen by then."""
        return self._former_until_s if self._former is not None else None

    def look(self) -> None:
        """Learn where the panel is. Once per picture before it is taken; costs nothing while no window changed."""
        if self._former is not None and self._clock() >= self._former_until_s:
            self._former = None
        if self._stale:
            self._measure()

    def cover(self, picture: NDArray[np.uint8], read_events: Callable[[], None]) -> tuple[NDArray[np.uint8], bool]:
        """Return the picture without the panel, and whether it differs from the last one that had to be covered.

        ``read_events`` gives `heard` what happened while the picture was taken.
        """
        before = list(self._rects)
        self._seen.clear()
        self._display.sync()
        read_events()
        if self._stale:
            self._measure()
            moving = self._filled([*before, *self._seen, *self._rects])
        else:
            moving = None
        masks = [mask for mask in (self._mask, self._former, moving) if mask is not None]
        whole = picture.reshape(-1).view(np.uint32).reshape(self._height_px, self._width_px)
        if self._beneath is None:
            self._beneath = np.full_like(whole, SLATE_BGRX)
        if not masks:
            self._beneath = whole
            return picture, True
        hidden = masks[0] if len(masks) == 1 else np.logical_or.reduce(masks)
        clean = np.where(hidden, self._beneath, whole)
        is_new = not np.array_equal(clean, self._beneath)
        self._beneath = clean
        return clean.view(np.uint8).reshape(picture.shape), is_new

    def _measure(self) -> None:
        """Ask for every window on the screen, lowest first: what lies above the panel is not the panel."""
        from Xlib import error

        self._stale = False
        if self._may_have_left:
            self._may_have_left = False
            self._clients = {client: window for client, window in self._clients.items() if self._is_named(window)}
        old, rects = self._mask, []
        mask: NDArray[np.bool_] | None = None
        for window in self._root.query_tree().children:
            try:
                about, geometry = window.get_attributes(), window.get_geometry()
                if about.map_state != 2 or about.win_class == 2:  # not IsViewable, or InputOnly: nothing to be seen
                    continue
                rect = self._rect(geometry)
                if self._belongs(window):
                    rects.append(rect)
                    mask = self._filled([rect], mask)
                elif mask is not None and geometry.depth < TRANSLUCENT_BITS and not self._is_shaped(window):
                    mask[rect[1] : rect[3], rect[0] : rect[2]] = False
            except (error.BadWindow, error.BadDrawable):  # gone meanwhile, which the next event says
                self._stale = True
        self._rects, self._mask = rects, mask
        if old is not None and (mask is None or bool((old & ~mask).any())):
            self._former = old if self._former is None else self._former | old
            self._former_until_s = self._clock() + LINGER_S

    def _belongs(self, window: Any) -> bool:
        known = self._is_panel.get(window.id)
        if known is None:
            known = self._is_panel[window.id] = self._is_of_panel(window, DEEPEST)
        return known

    def _is_of_panel(self, window: Any, depth: int) -> bool:
        client = window.id & self._client_bits
        if client in self._clients:
            return True
        if self._has_name(window):
            self._clients[client] = window
            return True
        return depth > 0 and any(self._is_of_panel(child, depth - 1) for child in window.query_tree().children)

    def _has_name(self, window: Any) -> bool:
        name = window.get_wm_class()
        return name is not None and self._name in name

    def _is_named(self, window: Any) -> bool:
        from Xlib import error

        try:
            return self._has_name(window)
        except error.BadWindow:
            return False

    def _is_shaped(self, window: Any) -> bool:
        """Through the holes of a window one may see the panel."""
        return bool(self._display.has_extension("SHAPE") and window.shape_query_extents().bounding_shaped)

    def _rect(self, of: Any) -> Rect:
        edge = 2 * of.border_width
        left, top = of.x, of.y
        right, bottom = left + of.width + edge, top + of.height + edge
        return max(0, left), max(0, top), min(self._width_px, max(0, right)), min(self._height_px, max(0, bottom))

    def _filled(self, rects: list[Rect], mask: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        if mask is None:
            mask = np.zeros((self._height_px, self._width_px), np.bool_)
        for left, top, right, bottom in rects:
            mask[top:bottom, left:right] = True
        return mask
