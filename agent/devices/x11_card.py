"""A card over the whole board, for a self-test: the marker of `agent.devices.marker`, or white or black.

Run by `agent.selftest.board` as ``python -m agent.devices.x11_card DISPLAY PARENT_PID``. Takes one word a line
(`CARDS`) and answers each with ``shown MONO_S`` once the X server has drawn it; says ``touched`` when somebody touches
the screen, which may be the panel's too. The X server removes the window with the connection, however the process ends;
the process ends with the agent.
"""

from __future__ import annotations

import os
import re
import select
import sys
import time
from typing import Any

from agent.devices.marker import MODULES
from agent.devices.spare import die_with_parent, set_process_name

CARDS = ("marker", "white", "black")
BLACK, WHITE, PAPER = 0x000000, 0xFFFFFF, 0xC8C8C8
"""The marker lies on a light grey: on white the beam of a projector in a dark room would flood its black modules."""
SHARE = 0.7
"""Of the screen's height."""


class Card:
    """The window."""

    def __init__(self, display: Any) -> None:
        from Xlib import X, Xutil

        self._display = display
        screen = display.screen()
        self._width_px, self._height_px = screen.width_in_pixels, screen.height_in_pixels
        self._window = screen.root.create_window(
            0, 0, self._width_px, self._height_px, 0, screen.root_depth, background_pixel=BLACK, override_redirect=True,
            event_mask=X.ExposureMask | X.ButtonPressMask | X.VisibilityChangeMask,
        )  # fmt: skip
        self._window.set_wm_class("estrade-card", "estrade-card")
        self._window.set_wm_hints(flags=Xutil.InputHint, input=0)
        self._pen = self._window.create_gc()
        self._card = "black"
        self._is_shown = False

    def show(self, card: str) -> float:
        """Draw, and return CLOCK_MONOTONIC of when the server had drawn it."""
        from Xlib import X

        self._card = card
        if not self._is_shown:
            self._display.force_screen_saver(X.ScreenSaverReset)
            self._window.map()
            self._is_shown = True
        self.draw()
        self._display.sync()
        return time.monotonic()

    def draw(self) -> None:
        """Draw the present card, above all other windows."""
        from Xlib import X

        self._window.configure(stack_mode=X.Above)
        self._fill({"marker": PAPER, "white": WHITE, "black": BLACK}[self._card], 0, 0, self._width_px, self._height_px)
        if self._card != "marker":
            return
        side = int(self._height_px * SHARE) // len(MODULES)
        left = (self._width_px - side * len(MODULES)) // 2
        top = (self._height_px - side * len(MODULES)) // 2
        for row, modules in enumerate(MODULES):
            for run in re.finditer("0+", modules):
                self._fill(BLACK, left + run.start() * side, top + row * side, len(run[0]) * side, side)

    def _fill(self, colour: int, left: int, top: int, width: int, height: int) -> None:
        self._pen.change(foreground=colour)
        self._window.fill_rectangle(self._pen, left, top, width, height)


def main() -> None:
    """Show what is asked for until standard input ends, the X session ends, or somebody kills us."""
    display_name, parent_pid = sys.argv[1:]
    die_with_parent(int(parent_pid))
    set_process_name("estrade-card")
    from Xlib import X
    from Xlib.display import Display
    from Xlib.error import ConnectionClosedError, DisplayError

    try:
        display = Display(display_name)
    except (DisplayError, OSError) as error:
        _say(f"refused {' '.join(str(error).split())}")
        return
    card = Card(display)
    asked = b""
    try:
        while True:
            readable, _, _ = select.select([0, display.fileno()], [], [])
            if 0 in readable:
                piece = os.read(0, 256)
                if not piece:
                    return
                *words, asked = (asked + piece).split(b"\n")
                for word in words:
                    if (name := word.decode("ascii", "replace")) in CARDS:
                        _say(f"shown {card.show(name):.6f}")
            while display.pending_events():
                event = display.next_event()
                if event.type == X.ButtonPress:
                    _say("touched")
                elif event.type == X.Expose or (
                    event.type == X.VisibilityNotify and event.state != X.VisibilityUnobscured
                ):
                    card.draw()
            display.flush()
    except ConnectionClosedError:
        return


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
