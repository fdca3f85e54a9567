"""What a step of the self-test came to, before it is put into words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from protocol.messages import Text

Verdict = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict and its variant: `agent.selftest.words` has a sentence for each step's variants.

    ``value`` is in ``unit``; ``more`` are further numbers that a sentence names. ``message`` and ``remedy`` stand for
    the words where somebody else has said already what is wrong.
    """

    verdict: Verdict
    variant: str = ""
    value: float | None = None
    unit: str | None = None
    more: dict[str, float] = field(default_factory=dict)
    message: Text | None = None
    remedy: Text | None = None
