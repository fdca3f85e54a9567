"""What a camera says of itself, as the check ``camera-reports``: a remark beside our own checks, never more."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import cast

from agent.device_slot import DeviceChoice
from agent.devices.base import Complaint, Listen
from agent.retries import Retries, RetryPolicy
from agent.supervise import keep_device
from protocol.errors import DeviceError
from protocol.messages import Check, CheckStatus, Text

log = logging.getLogger(__name__)

CHECK = "camera-reports"
RETRY = RetryPolicy(first_s=2.0, most_s=60.0, calm_s=10.0, unfit_s=300.0)

_WORDS: Mapping[Complaint, Text] = {
    "hardware": Text(fr="La caméra signale une panne matérielle.", en="The camera reports a hardware failure."),
    "no-picture": Text(
        fr="La caméra signale qu’elle ne reçoit plus d’image.", en="The camera reports that it gets no picture."
    ),
    "blurred": Text(fr="La caméra signale une image floue.", en="The camera reports a blurred picture."),
    "too-dark": Text(fr="La caméra signale une image trop sombre.", en="The camera reports too dark a picture."),
    "too-bright": Text(fr="La caméra signale une image trop claire.", en="The camera reports too bright a picture."),
    "moved": Text(
        fr="La caméra signale que la scène a changé : elle a peut-être été déplacée.",
        en="The camera reports that the scene changed: it may have been moved.",
    ),
}
"""In the order of weight: one sentence is shown, the heaviest."""
_REMEDY = Text(
    fr="Regardez l’image de la caméra ; si elle est bonne, coupez cet avis dans les réglages de la caméra.",
    en="Look at the camera's picture; if it is good, switch this notice off in the camera's own settings.",
)


class CameraReports:
    """Listens to one camera for as long as the agent runs. ``on_news`` hears when the check has changed."""

    def __init__(
        self,
        choice: DeviceChoice,
        *,
        on_news: Callable[[], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.device_id = choice.id
        self._choice = choice
        self._on_news = on_news
        self._now = now
        self._sleep = sleep
        self._complaints: frozenset[Complaint] = frozenset()
        self._since = now()

    def checks(self) -> tuple[Check, ...]:
        """Return the check while the camera complains; a camera that is away complains of nothing."""
        kind = next((kind for kind in _WORDS if kind in self._complaints), None)
        if kind is None:
            return ()
        return (Check(id=CHECK, status=CheckStatus.WARNING, since=self._since, message=_WORDS[kind], remedy=_REMEDY),)

    async def run(self) -> None:
        """Listen until cancelled; a camera that cannot be heard costs nothing but its remarks."""
        module, _, name = self._choice.driver.listen.partition(":")
        listen = cast(Listen, getattr(await asyncio.to_thread(importlib.import_module, module), name))
        await keep_device(
            f"reports of {self.device_id}",
            lambda: listen(self._choice.config, f'{self._choice.role} "{self.device_id}"', self._take),
            self._choice.config.login_stamp,
            Retries(RETRY),
            on_failure=self._failed,
            sleep=self._sleep,
        )

    def _failed(self, error: DeviceError) -> None:
        if not error.retryable:
            log.info("A camera's reports are not heard", extra={"device": self.device_id, "reason": error.message})
        self._take(frozenset())

    def _take(self, complaints: frozenset[Complaint]) -> None:
        if complaints == self._complaints:
            return
        if not self._complaints:
            self._since = self._now()
        self._complaints = complaints
        log.info("The camera reports", extra={"device": self.device_id, "complaints": sorted(complaints)})
        self._on_news()
