"""Who did what: each act is noted before it is answered, and later when the database does not take it now."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Literal

from controller.backoff import until_stored
from controller.store.accounts import AuditRecord
from controller.store.store import Store
from protocol.errors import StoreError

Kind = Literal["account", "token"]

MOST_UNSAVED = 10_000
"""Acts of people; beyond it the oldest is given up."""


class Audit:
    """The audit of this run."""

    def __init__(self, store: Store, *, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._unsaved: deque[AuditRecord] = deque(maxlen=MOST_UNSAVED)
        self._saving = asyncio.Lock()
        self._not_saved = asyncio.Event()

    async def note(
        self, actor: str, act: str, subject: str, outcome: str, *, room: str | None = None, kind: Kind = "account"
    ) -> None:
        """Write a line; one that the database does not take is kept for `run`, for the act has been done."""
        self._unsaved.append(AuditRecord(self._now(), actor[:80], act, subject[:80], outcome, room, kind))
        try:
            await self.save()
        except StoreError:
            self._not_saved.set()

    async def save(self) -> None:
        """Write what is not written yet; raise StoreError, and keep it."""
        async with self._saving:
            records = list(self._unsaved)
            self._unsaved.clear()
            try:
                await self._store.accounts.note(*records)
            except StoreError:  # and not when cancelled: the store carries the write out
                self._unsaved.extendleft(reversed(records))
                raise

    async def run(self) -> None:
        """Write what could not be written, until cancelled."""
        while True:
            await self._not_saved.wait()
            self._not_saved.clear()
            await until_stored(self.save)
