"""How long to wait before the database is asked again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from protocol.errors import StoreError

FIRST_S, MOST_S = 1.0, 30.0


async def until_stored(
    save: Callable[[], Awaitable[None]], *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Call ``save`` again after each StoreError, waiting longer each time; any other error leaves.

    ``save`` keeps what it could not write. The store logs when writing begins to fail and when it goes again.
    """
    wait_s = FIRST_S
    while True:
        try:
            await save()
        except StoreError:
            await sleep(wait_s)
            wait_s = min(wait_s * 2, MOST_S)
        else:
            return
