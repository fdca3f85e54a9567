"""Nothing is kept for ever: what is older than the configuration says is deleted, a little at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from controller.backoff import until_stored
from controller.config import RetentionConfig
from controller.store.store import Store

log = logging.getLogger(__name__)

DAY_S = 86_400.0
CHUNK = 5_000
"""Rows in one write: some tens of milliseconds, after which others have their turn."""


async def forget_old(store: Store, kept: RetentionConfig, now: datetime) -> dict[str, int]:
    """Delete what is too old and return how many rows of each kind that was. Raises StoreError; call it again then."""

    def before(days: int) -> datetime:
        return now - timedelta(days=days)

    acts: dict[str, Callable[[], Awaitable[int]]] = {
        "viewer events": lambda: store.events.forget(before(kept.viewer_events_days), CHUNK, of_viewers=True),
        "other events": lambda: store.events.forget(before(kept.other_events_days), CHUNK, of_viewers=False),
        "lessons": lambda: store.lessons.forget(before(kept.lessons_days), CHUNK),
        "tokens": lambda: store.tokens.forget(before(kept.audit_days), CHUNK),
        "audit": lambda: store.accounts.forget_audit(before(kept.audit_days), CHUNK),
    }
    gone = dict.fromkeys(acts, 0)
    for name, act in acts.items():
        while count := await act():
            gone[name] += count
    return gone


async def run(
    store: Store,
    kept: RetentionConfig,
    *,
    now: Callable[[], datetime],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Delete what is too old at once and then daily, until cancelled."""

    async def once() -> None:
        gone = await forget_old(store, kept, now())
        if any(gone.values()):
            log.info("too old and deleted: %s", ", ".join(f"{count} {name}" for name, count in gone.items() if count))

    while True:
        await until_stored(once, sleep=sleep)
        await sleep(DAY_S)
