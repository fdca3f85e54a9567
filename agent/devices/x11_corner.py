"""The red corner on the board's screen: a window above all others, there for as long as this process lives.

Run by `agent.red_corner` as ``python -m agent.devices.x11_corner DISPLAY PARENT_PID``. The X server removes the window
with the connection, in whatever way the process ends; the process ends with the agent.
"""

from __future__ import annotations

import select
import sys
import time

from agent.devices.spare import die_with_parent, set_process_name

RED = 0xD7263D
SHARE = 24
"""One part of the screen's height: seen from the back of the room, and in nobody's way."""
RAISE_S = 0.1
"""Between two raises: another program may want to be above all others too."""


def main() -> None:
    """Show the corner until killed, or until the X session ends."""
    display_name, parent_pid = sys.argv[1:]
    die_with_parent(int(parent_pid))
    set_process_name("estrade-corner")
    from Xlib import X, Xutil
    from Xlib.display import Display
    from Xlib.error import ConnectionClosedError

    display = Display(display_name)
    screen = display.screen()
    size = max(16, screen.height_in_pixels // SHARE)
    window = screen.root.create_window(
        screen.width_in_pixels - size,
        0,
        size,
        size,
        0,
        screen.root_depth,
        background_pixel=RED,
        override_redirect=True,
        event_mask=X.VisibilityChangeMask,
    )
    window.set_wm_class("estrade-corner", "estrade-corner")
    window.set_wm_hints(flags=Xutil.InputHint, input=0)
    window.map()
    try:
        while True:
            display.flush()
            select.select([display.fileno()], [], [])
            is_covered = False
            while display.pending_events():
                event = display.next_event()
                is_covered = event.type == X.VisibilityNotify and event.state != X.VisibilityUnobscured
            if is_covered:
                window.configure(stack_mode=X.Above)
                display.flush()
                time.sleep(RAISE_S)
    except ConnectionClosedError:
        return


if __name__ == "__main__":
    main()
