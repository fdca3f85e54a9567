"""Throw a client out of the broker, by a connection of its own name."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from mqttlink.connection import Connection
from mqttlink.settings import LinkSettings

TAKE_OVER_S = 5.0
"""mosquitto took 4 to 6 ms; a broker into which a territory comes back at once is seconds late."""


async def take_over(settings: LinkSettings, *, timeout_s: float = TAKE_OVER_S) -> None:
    """Connect under a client's name, with a clean start and without a will, and leave.

    The broker ends the older connection of that name and drops what it kept for it (MQTT 5 §3.1.2.4). Do not wait for
    its will: mosquitto 2.0 publishes one without a delay at once, and loses one that was to wait. Raises BrokerError
    when the broker cannot be reached or does not take ``settings``.
    """
    once = replace(settings, clean_start=True, session_expiry_s=0, connect_timeout_s=timeout_s)
    connection = Connection(once, lambda message, acknowledge: acknowledge())
    try:
        await connection.open()
    finally:
        await asyncio.shield(connection.leave(None))
