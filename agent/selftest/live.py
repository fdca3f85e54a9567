"""Camera and microphone in the self-test beside Start: what the lesson's own devices show, opened by nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.device_slot import DeviceSlot
from agent.selftest import judge
from agent.selftest.outcome import Outcome
from protocol.messages import Check, CheckStatus, DeviceRole

OPEN_MOST_S = 4.0
WATCH_S = 2.5
"""What is black, frozen or dead is known by then (DESIGN §7)."""
LIMIT_S = OPEN_MOST_S + WATCH_S + 1.0
_LOOK_S = 0.1
_PREFIXES = {DeviceRole.CAMERA: "picture-", DeviceRole.MICROPHONE: "sound-"}
_WORST = (CheckStatus.CRITICAL, CheckStatus.WARNING)


@dataclass(frozen=True, slots=True)
class LiveParts:
    """The lesson's devices, and what the checks of the signal say of them."""

    slots: Sequence[DeviceSlot]
    checks: Callable[[], tuple[Check, ...]] = lambda: ()


async def look(parts: LiveParts, role: DeviceRole) -> Outcome:
    """Wait until a device of this role works or not, watch it for a moment, and say how it does."""
    slot = next((slot for slot in parts.slots if slot.role is role), None)
    if slot is None:
        return Outcome("skipped", "none")
    for _ in range(round(OPEN_MOST_S / _LOOK_S)):
        if slot.has_outcome:
            break
        await asyncio.sleep(_LOOK_S)
    if slot.problem is not None:
        return Outcome("failed", slot.problem.code)
    if not slot.has_outcome:
        return Outcome("failed", "device-timeout")
    await asyncio.sleep(WATCH_S)
    if slot.problem is not None:
        return Outcome("failed", slot.problem.code)
    found = [check for check in parts.checks() if check.id.startswith(_PREFIXES[role])]
    ill = [check for status in _WORST for check in found if check.status is status]
    return judge.check(ill[0]) if ill else Outcome("ok", "works")
