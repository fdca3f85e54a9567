"""Tell systemd that the agent is ready, and that it makes progress.

The protocol of sd_notify(3): datagrams to ``NOTIFY_SOCKET``. The watchdog is fed only while every heart that was
declared has beaten lately, so that a loop that turns around a dead lesson does not look alive.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)


class SystemdNotifier:
    """Sends states to the service manager; silent when there is none."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        watchdog_us = int(environ.get("WATCHDOG_USEC", "0") or 0)
        is_ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s: float | None = watchdog_us / 1e6 if watchdog_us and is_ours else None

    def send(self, **states: str) -> None:
        """Send ``READY="1"``, ``STATUS="…"``, …; a lost datagram is not worth a lesson."""
        if not self._address:
            return
        message = "\n".join(f"{name}={value}" for name, value in states.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto(message.encode(), self._address)
        except OSError:
            log.debug("The service manager's socket did not take the message", exc_info=True)


class Heart:
    """Something that must beat. ``is_needed`` says whether it must now; ``most_s`` how long it may pause."""

    def __init__(
        self,
        name: str,
        most_s: float,
        is_needed: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.most_s = most_s
        self._is_needed = is_needed
        self._clock = clock
        self._last_s = clock()
        self._was_needed = False

    def beat(self) -> None:
        """Note progress."""
        self._last_s = self._clock()

    def is_alive(self) -> bool:
        """Return whether it beat lately; a heart that has just become needed is given its whole time."""
        needed = self._is_needed()
        if needed and not self._was_needed:
            self.beat()
        self._was_needed = needed
        return not needed or self._clock() - self._last_s <= self.most_s


async def feed_watchdog(notifier: SystemdNotifier, hearts: list[Heart]) -> None:
    """Feed the watchdog at half its time while all hearts are alive; until cancelled."""
    if notifier.watchdog_s is None:
        return
    was_well = True
    while True:
        stopped = [heart.name for heart in hearts if not heart.is_alive()]
        if not stopped:
            notifier.send(WATCHDOG="1")
        elif was_well:
            log.error("No progress, the watchdog is not fed", extra={"hearts": ", ".join(stopped)})
        was_well = not stopped
        await asyncio.sleep(notifier.watchdog_s / 2)
