"""Run again what may fail and heal: device work inside, everything else falls and takes the process down."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable

from protocol.errors import DeviceError, DevicePasswordError

log = logging.getLogger(__name__)


async def keep_running(
    name: str,
    run: Callable[[], Awaitable[None]],
    *,
    on_failure: Callable[[DeviceError], None] = lambda error: None,
    first_s: float = 0.5,
    most_s: float = 30.0,
    calm_s: float = 60.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    jitter: Callable[[float, float], float] = random.uniform,
) -> None:
    """Run ``run`` again after each retryable DeviceError, waiting longer each time.

    Returns when ``run`` returns. Any other exception leaves, and takes the whole task group with it. ``on_failure``
    hears of each failure, also of the one that is not retryable. The waiting starts anew at ``first_s`` once ``run``
    went well for ``calm_s``; each wait is between half and all of it (jitter), in seconds.
    """
    wait_s, failures = first_s, 0
    while True:
        began_s = clock()
        try:
            await run()
        except DeviceError as error:
            on_failure(error)
            if not error.retryable:
                raise
            if clock() - began_s >= calm_s:
                wait_s, failures = first_s, 0
            failures += 1
            log.log(
                logging.WARNING if failures == 1 else logging.DEBUG,
                "Device work failed and is tried again",
                extra={"task": name, "code": error.code, "reason": error.message, "wait_s": wait_s},
            )
        else:
            return
        await sleep(jitter(wait_s / 2, wait_s))
        wait_s = min(wait_s * 2, most_s)


async def keep_device(
    name: str,
    run: Callable[[], Awaitable[None]],
    login_stamp: Callable[[], object],
    *,
    on_failure: Callable[[DeviceError], None],
    first_s: float,
    most_s: float,
    unfit_s: float,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Run ``run``, which holds one device, until it returns; never give the device up for good.

    As `keep_running`; what is not retryable is tried again after ``unfit_s``, for names and plugs move. Only a refused
    password is not tried before ``login_stamp`` has changed: cameras lock an account after a few.
    """
    stamp: object = None

    async def attempt() -> None:
        nonlocal stamp
        stamp = login_stamp()
        await run()

    while True:
        try:
            await keep_running(
                name, attempt, on_failure=on_failure, first_s=first_s, most_s=most_s, calm_s=10.0, sleep=sleep
            )
        except DevicePasswordError:
            while login_stamp() == stamp:
                await sleep(unfit_s)
        except DeviceError:  # told already
            await sleep(unfit_s)
        else:
            return
