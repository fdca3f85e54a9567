"""Tells whoever watches the centre that it is well: a request a minute, which stays away when it is not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from controller.safe_http import AnswerTooLargeError, SafeHttp
from protocol.errors import FetchError

log = logging.getLogger(__name__)

EVERY_S = 60.0
LOOK_AGAIN_S = 5.0
"""While the centre is not well, as when it starts: who watches is told soon after that is over."""
_MOST_BYTES = 16_384
"""Of an answer that nobody reads."""


async def run(
    http: SafeHttp,
    address: str,
    is_well: Callable[[], Awaitable[bool]],
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Ask for ``address`` each minute in which the centre is well, until cancelled."""
    is_lost = False
    while True:
        well = await is_well()
        if well:
            problem = await _ask(http, address)
            if problem is not None:
                log.log(logging.DEBUG if is_lost else logging.WARNING, "nobody takes the heartbeat: %s", problem)
            elif is_lost:
                log.info("the heartbeat is taken again")
            is_lost = problem is not None
        await sleep(EVERY_S if well else LOOK_AGAIN_S)


async def _ask(http: SafeHttp, address: str) -> str | None:
    """Return why it was not taken, None when it was."""
    try:
        answer = await http.get(address, most_bytes=_MOST_BYTES)
    except AnswerTooLargeError:  # it was taken: only what is said of it is long
        return None
    except FetchError as error:
        return error.message
    return None if answer.status < 400 else f"the server answers with {answer.status}"
