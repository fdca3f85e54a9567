"""Run again what may fail and heal: device work inside, everything else falls and takes the process down.

When it is tried again is `agent.retries`' to say.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from agent.retries import Retries
from protocol.errors import DeviceError, DevicePasswordError, DeviceSetAsideError

log = logging.getLogger(__name__)


class Nudge:
    """A wait between two tries that can be cut short: give ``wait`` to `keep_device` as its ``sleep``.

    One that is given during a try is remembered, for that try may have looked just before the plug.
    """

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._sleep = sleep
        self._given = asyncio.Event()

    def give(self) -> None:
        """End the wait, or the next one."""
        self._given.set()

    def forget(self) -> None:
        """The device is there: what was given has been heard."""
        self._given.clear()

    async def wait(self, seconds: float) -> None:
        """Wait so long, but no longer than until a nudge."""
        waits = {
            asyncio.ensure_future(self._sleep(seconds)),
            asyncio.create_task(self._given.wait(), name="wait for a nudge"),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        self._given.clear()


async def keep_device(
    name: str,
    run: Callable[[], Awaitable[None]],
    login_stamp: Callable[[], object],
    retries: Retries,
    *,
    on_failure: Callable[[DeviceError], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Run ``run``, which holds one device, again after each DeviceError; never give the device up for good.

    Returns when ``run`` returns. Any other exception leaves, and takes the whole task group with it. ``on_failure``
    hears of each failure. Only a refused password is not tried before ``login_stamp`` has changed: cameras lock an
    account after a few.
    """
    while True:
        stamp = login_stamp()
        retries.began()
        try:
            await run()
        except DeviceError as error:
            told, wait_s = retries.failed(error)
            on_failure(told)
            is_news = retries.failures == 1 or isinstance(told, DeviceSetAsideError)
            log.log(
                logging.WARNING if is_news else logging.DEBUG,
                "Device work failed and is tried again",
                extra={"task": name, "code": told.code, "reason": told.message, "wait_s": wait_s},
            )
            await sleep(wait_s)
            while isinstance(error, DevicePasswordError) and login_stamp() == stamp:
                await sleep(wait_s)
        else:
            return
