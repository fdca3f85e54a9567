"""One run of the self-test: where each step stands, each with its time limit, none of which can end the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from agent.selftest.outcome import Outcome
from agent.selftest.words import name, words
from protocol.errors import DeviceError
from protocol.panel import SelfTestStep

log = logging.getLogger(__name__)


class Run:
    """The steps of one run; ``on_change`` hears of each that moves."""

    def __init__(self, steps: Sequence[str], on_change: Callable[[], None]) -> None:
        self._steps = {step: SelfTestStep(id=step, name=name(step)) for step in steps}
        self._on_change = on_change

    @property
    def steps(self) -> tuple[SelfTestStep, ...]:
        return tuple(self._steps.values())

    async def step(self, step: str, look: Callable[[], Awaitable[Outcome]], limit_s: float) -> Outcome:
        """Carry out one step within its time, and return what it came to; only a cancelled one raises."""
        self._put(SelfTestStep(id=step, name=name(step), state="running"))
        try:
            async with asyncio.timeout(limit_s):
                outcome = await look()
        except DeviceError as error:
            log.info("A step of the self-test failed", extra={"step": step, "code": error.code, "why": error.message})
            outcome = Outcome("failed", error.code)
        except TimeoutError:
            outcome = Outcome("failed", "late")
        except Exception:  # a fault in one step must not hide what the others have to say
            log.exception("A step of the self-test fell", extra={"step": step})
            outcome = Outcome("failed", "internal")
        message, remedy = words(step, outcome)
        self._put(
            SelfTestStep(
                id=step,
                name=name(step),
                state=outcome.verdict,
                value=outcome.value,
                unit=outcome.unit,
                message=message,
                remedy=remedy,
            )
        )
        return outcome

    def leave_out(self, variant: str) -> None:
        """Say of all steps that have not ended that they were not carried out, and why."""
        for step, shown in self._steps.items():
            if shown.state in ("waiting", "running"):
                message, _ = words(step, Outcome("skipped", variant))
                self._steps[step] = SelfTestStep(id=step, name=name(step), state="skipped", message=message)
        self._on_change()

    def _put(self, step: SelfTestStep) -> None:
        self._steps[step.id] = step
        self._on_change()
