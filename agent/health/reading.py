"""What one look of one check saw, before hysteresis."""

from __future__ import annotations

from dataclasses import dataclass

from protocol.messages import CheckStatus


@dataclass(frozen=True, slots=True)
class Reading:
    """One look of one check.

    ``check`` is an id of `agent.health.specs`; UNKNOWN says that this look can tell nothing, and keeps what was told
    before for a while. ``variant`` chooses among the sentences of `agent.health.words` where a check has several.
    """

    check: str
    status: CheckStatus
    value: float | None = None
    unit: str | None = None
    variant: str = ""
