"""Names' addresses from the system's resolver, which may hang for a minute and cannot be stopped."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Sequence

MOST_LOOKUPS = 8
"""Threads that may hang at once."""


def system_addresses(host: str) -> Sequence[str]:
    """Return a name's addresses, as this machine finds them; OSError or UnicodeError where there are none."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


class NameLookups:
    """Asks for each name on a thread of its own. The process ends without waiting for one that hangs."""

    def __init__(self, ask: Callable[[str], Sequence[str]] = system_addresses, most: int = MOST_LOOKUPS) -> None:
        self._ask = ask
        self._free = asyncio.Semaphore(most)

    async def resolve(self, host: str) -> Sequence[str]:
        """Return the name's addresses; raises what asking raises. Who stops waiting frees no thread: its end does."""
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[str]] = loop.create_future()

        def take(found: Sequence[str], error: Exception | None) -> None:
            self._free.release()
            if answer.done():
                return
            if error is None:
                answer.set_result(found)
            else:
                answer.set_exception(error)

        def ask() -> None:
            found: Sequence[str] = ()
            failed: Exception | None = None
            try:
                found = self._ask(host)
            except Exception as error:  # raised again where it is waited for
                failed = error
            with contextlib.suppress(RuntimeError):  # the loop is over, and nobody waits
                loop.call_soon_threadsafe(take, found, failed)

        try:
            threading.Thread(target=ask, name="name-lookup", daemon=True).start()
        except RuntimeError as error:
            self._free.release()
            raise OSError("this machine has no thread left to look a name up") from error
        return await answer
