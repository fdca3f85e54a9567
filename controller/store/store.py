"""The store: one `Database` and the tables by what they know."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from controller.store.accounts import Accounts
from controller.store.database import Database, open_database
from controller.store.events import Events
from controller.store.lessons import Lessons
from controller.store.rooms import Rooms
from controller.store.second_steps import SecondSteps
from controller.store.tokens import Tokens


class Store:
    """Everything the centre remembers."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.rooms = Rooms(database)
        self.lessons = Lessons(database)
        self.events = Events(database)
        self.accounts = Accounts(database)
        self.second_steps = SecondSteps(database)
        self.tokens = Tokens(database)


@contextlib.asynccontextmanager
async def open_store(url: str) -> AsyncIterator[Store]:
    """Open and migrate the store; raise ConfigError ``database-unusable`` when that cannot be."""
    async with open_database(url) as database:
        yield Store(database)
