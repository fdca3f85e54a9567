"""The devices of a room as a lesson needs them: which Start waits for, which are missing, which it does without."""

from __future__ import annotations

from collections.abc import Sequence

from agent.device_slot import DeviceSlot
from agent.microphones import Microphones
from protocol.errors import LessonError
from protocol.messages import CheckStatus, DeviceReport, DeviceRole


class LessonDevices:
    """Reads the slots of a room, and changes none."""

    def __init__(self, slots: Sequence[DeviceSlot]) -> None:
        self.slots = tuple(slots)
        self.microphones = tuple(slot for slot in slots if slot.role is DeviceRole.MICROPHONE)
        """The room's own first."""

    def find(self, device: str) -> DeviceSlot:
        """Return the slot of this name. Raises LessonError ``device-not-found``."""
        slot = next((slot for slot in self.slots if slot.choice.id == device), None)
        if slot is None:
            known = ", ".join(slot.choice.id for slot in self.slots) or "none"
            raise LessonError(
                f'there is no device "{device}" in this room; there are: {known}', code="device-not-found"
            )
        return slot

    def needed(self) -> tuple[DeviceSlot, ...]:
        """Return the devices that Start waits for."""
        return tuple(s for s in self.slots if not s.choice.is_spare and s.role is not DeviceRole.BOARD_SOUND)

    def missing(self) -> tuple[DeviceRole, ...]:
        """Return the roles without a device; one microphone is enough."""
        lost = tuple(dict.fromkeys(slot.role for slot in self.slots if slot.problem is not None))
        is_heard = any(slot.problem is None for slot in self.microphones)
        return tuple(role for role in lost if role is not DeviceRole.MICROPHONE or not is_heard)

    def is_lacking(self) -> bool:
        """Say whether the lesson is less than whole; the board's sound is in none of it."""
        return not self.needed() or any(role is not DeviceRole.BOARD_SOUND for role in self.missing())

    def reports(self, choice: Microphones | None) -> tuple[DeviceReport, ...]:
        """Return every device as the room sees it; what the lesson does well without is a warning at most.

        ``choice`` is the one among several microphones, while a lesson runs.
        """
        reports = []
        for slot in self.slots:
            report = slot.report()
            if report.status is CheckStatus.CRITICAL and self._is_done_without(slot):
                report = report.model_copy(update={"status": CheckStatus.WARNING})
            if choice is not None and slot in self.microphones:
                in_use = slot.is_working and slot.choice.id == choice.in_use
                report = report.model_copy(update={"in_use": in_use})
            reports.append(report)
        return tuple(reports)

    def _is_done_without(self, slot: DeviceSlot) -> bool:
        """Say whether a lesson is whole without this device: the board's sound, a spare, a microphone with a spare."""
        if slot.role is DeviceRole.BOARD_SOUND or slot.choice.is_spare:
            return True
        return slot in self.microphones and any(other.is_well for other in self.microphones)
