"""systemd's notify protocol (sd_notify(3)) without a library: ready, stopping, and a watchdog that proves progress."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)


class SystemdNotifier:
    """Says nothing where systemd does not listen. Arguments come from the environment that systemd sets."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        microseconds = environment.get("WATCHDOG_USEC", "")
        is_ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(microseconds) / 1e6 if microseconds.isdigit() and is_ours and self._address else None

    def say(self, *lines: str) -> None:
        """Send one notification, e.g. ``READY=1``; a systemd that cannot be reached is no reason to fall."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as out:
                out.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            log.warning("systemd was not told %s: %s", lines, error)

    async def run_watchdog(self, is_making_progress: Callable[[], bool]) -> None:
        """Ping twice in each watchdog period as long as there is progress, until cancelled."""
        if self.watchdog_s is None:
            return
        while True:
            if is_making_progress():
                self.say("WATCHDOG=1")
            else:
                log.error("no progress: the watchdog is not told that all is well")
            await asyncio.sleep(self.watchdog_s / 2)
