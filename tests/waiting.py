"""Waiting for what tells nobody that it has come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

LOOK_S = 0.01
MOST_S = 15.0


async def until(condition: Callable[[], Any], what: str = "it", most_s: float = MOST_S) -> Any:
    """Wait until ``condition`` returns something true, and return that; what is awaitable is awaited.

    AssertionError that says ``what`` did not come, after ``most_s``.
    """
    try:
        async with asyncio.timeout(most_s):
            while True:
                found = condition()
                if isinstance(found, Awaitable):
                    found = await found
                if found:
                    return found
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise AssertionError(f"within {most_s:g} s: {what}") from None
