"""A room's numbers over time, which the centre draws; with viewers and CPU they are the eight that it keeps."""

from __future__ import annotations

from pydantic import Field

from protocol.wire import Wire


class HealthNumbers(Wire):
    """What the room measured over the last period; None is what was not measured."""

    sound_dbfs: float | None = Field(default=None, le=0, description="of the microphone that pupils hear")
    programme_dbfs: float | None = Field(default=None, le=0, description="of what pupils are sent")
    cpu_c: float | None = Field(default=None, description="temperature of the mini-PC's processor, °C")
    uplink_bps: int | None = Field(default=None, ge=0, description="sent to all viewers together")
    loss_percent: float | None = Field(default=None, ge=0, le=100, description="of what was sent, as viewers report it")
    rtt_ms: float | None = Field(default=None, ge=0, description="there and back, the viewers' median")
