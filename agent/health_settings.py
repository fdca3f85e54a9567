"""What IT may say of the room's health: what is missing on purpose, and bounds that depend on the room."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agent.health.host import HostLimits


class HealthSettings(BaseModel):
    """``[health]`` in the room's file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    absent: tuple[Literal["camera", "microphone", "board", "display"], ...] = Field(
        default=(),
        description="away on purpose, as for repair: not opened, not checked, not missed, though its table may stay",
    )
    idle_look_min: float = Field(
        default=10.0,
        ge=0,
        le=1440,
        description="minutes between two short looks at camera and microphone while no lesson runs, beside those after "
        "a plug; 0 is never",
    )
    microphone_has_switch: bool | None = Field(
        default=None,
        description="it can be muted by a switch of its own; left out, as when its normal state was recorded; "
        "only where it is false does a spare take the place of a silent one",
    )
    lamp_life_h: int | None = Field(
        default=None, ge=100, le=100_000, description="rated life of the projector's lamp; left out, it is not judged"
    )
    filter_life_h: int | None = Field(
        default=None, ge=100, le=100_000, description="hours between two cleanings of its filter; likewise"
    )
    link_mbps: int = Field(default=1000, ge=10, le=100_000, description="what the room's network cable should carry")
    cpu_warn_c: float = Field(default=85.0, ge=40, le=120)
    cpu_fail_c: float = Field(default=95.0, ge=40, le=120)
    memory_free_percent: float = Field(default=10.0, ge=0, le=90)
    disk_free_percent: float = Field(default=10.0, ge=0, le=90)
    clock_warn_ms: float = Field(default=100.0, ge=10, le=60_000)
    clock_fail_ms: float = Field(default=1000.0, ge=10, le=600_000)
    restarts_per_hour: int = Field(default=3, ge=1, le=100, description="more falls of the agent than this are told")

    @model_validator(mode="after")
    def _in_order(self) -> HealthSettings:
        for low, high in (("cpu_warn_c", "cpu_fail_c"), ("clock_warn_ms", "clock_fail_ms")):
            if getattr(self, low) >= getattr(self, high):
                msg = f"{low} {getattr(self, low):g} has to be below {high} {getattr(self, high):g}"
                raise ValueError(msg)
        return self

    def host_limits(self) -> HostLimits:
        return HostLimits(
            cpu_warn_c=self.cpu_warn_c,
            cpu_fail_c=self.cpu_fail_c,
            memory_free_percent=self.memory_free_percent,
            disk_free_percent=self.disk_free_percent,
            clock_warn_s=self.clock_warn_ms / 1000,
            clock_fail_s=self.clock_fail_ms / 1000,
            link_mbps=self.link_mbps,
            restarts_per_hour=self.restarts_per_hour,
        )

    def is_absent(self, what: str) -> bool:
        return what in self.absent
