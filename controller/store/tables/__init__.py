"""The tables. No code, no link and no token of a session stands in them in clear (docs/adr/0004)."""

from controller.store.tables import accounts, acts, events, incidents, lessons, rooms, schedule, settings, trust
from controller.store.tables.base import Base

__all__ = [
    "Base",
    "accounts",
    "acts",
    "events",
    "incidents",
    "lessons",
    "rooms",
    "schedule",
    "settings",
    "trust",
]
