"""What an ONVIF camera says of itself: a pull-point subscription, held until cancelled.

Sources: ONVIF Core 24.06 §9 (events), Imaging Service 22.06 §6 (ImageTooBlurry and its kind), Device IO 21.12 (signal
loss). Many cameras tell less than they could, and some tell what is not so: it is a remark beside our own checks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from agent.devices.base import Complaint
from agent.devices.onvif_device import ANSWER_S, OnvifConfig, call, connected
from agent.devices.onvif_words import complaint_of
from protocol.errors import DeviceError, DeviceLostError

PULL_S = 20.0
"""A camera answers at its first news, or after this without any."""
MESSAGES_MOST = 50
LIVES = timedelta(seconds=120)
"""What a subscription is asked to live for; the library renews it at four fifths, at least each 48 s."""
PAUSE_S = 0.5
"""Between two pulls: cameras that answer at once without news are known."""
KNOWN_MOST = 64
"""Sources of complaints that are kept apart; a camera has a handful."""


async def listen(config: OnvifConfig, label: str, on_change: Callable[[frozenset[Complaint]], None]) -> None:
    """Call ``on_change`` with everything the camera complains of, first with nothing, until cancelled.

    Raises DeviceError and its kinds; DeviceLostError when the camera forgot us, as after it was restarted.
    """
    complaints: dict[tuple[str, str], Complaint] = {}
    lost = asyncio.Event()
    async with connected(config, label) as device:
        manager = await call(device.services.create_pullpoint_manager(LIVES, lost.set), label, 3 * ANSWER_S)
        try:
            on_change(frozenset())
            # the camera tells how it stands, not only what changes
            await call(manager.set_synchronization_point(), label)
            service = manager.get_service()
            while not lost.is_set():
                pull = {"Timeout": timedelta(seconds=PULL_S), "MessageLimit": MESSAGES_MOST}
                answer = await call(service.PullMessages(pull), label, PULL_S + ANSWER_S)
                if _take(getattr(answer, "NotificationMessage", None) or (), complaints):
                    on_change(frozenset(complaints.values()))
                await asyncio.sleep(PAUSE_S)
            raise DeviceLostError(f"{label}: the camera forgot that it is listened to; it is asked anew")
        finally:
            with suppress(DeviceError):
                await call(manager.shutdown(), label, ANSWER_S)


def _take(messages: Iterable[Any], complaints: dict[tuple[str, str], Complaint]) -> bool:
    """Note each message; return whether the camera complains of something else than before."""
    before = set(complaints.values())
    for message in messages:
        topic = str(getattr(getattr(message, "Topic", None), "_value_1", "") or "")
        body = getattr(getattr(message, "Message", None), "_value_1", None)
        source, data = _items(body, "Source"), _items(body, "Data")
        told = complaint_of(topic, data)
        if told is None:
            continue
        complaint, holds = told
        key = (topic, ",".join(f"{name}={value}" for name, value in sorted(source.items())))
        if not holds:
            complaints.pop(key, None)
        elif len(complaints) < KNOWN_MOST:
            complaints[key] = complaint
    return set(complaints.values()) != before


def _items(body: Any, part: str) -> dict[str, str]:
    """Return the simple items of a message's part by name; nothing for a body of another form."""
    items = getattr(getattr(body, part, None), "SimpleItem", None) or ()
    return {str(one.Name): str(one.Value) for one in items if hasattr(one, "Name") and hasattr(one, "Value")}
