"""Switches the board for a lesson, beside it: Start wakes it and picks its input, the end puts it back as it was.

A lesson never waits for this and never fails by it. There is one goal, *serve the lesson* or *put back*, and looks:
each opens a connection, asks for the state, takes the one step that is missing, and says when to look again. So a look
that was lost, a board that was switched by hand, and an agent that fell are all the same case: the next look sees.

Only what a lesson changed is changed back, and not if somebody switched it meanwhile. A display that cannot say its
power is switched on and left on, for how it was is not known, unless ``off_if_unknown``.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path

from agent.board_memory import BoardMemory
from agent.board_output import BoardOutput
from agent.board_wear import BoardWear
from agent.board_words import MESSAGES, REMEDIES, UNKNOWN, fault_words
from agent.devices.display import Display, DisplayChoice, DisplayInfo, DisplayStatus, Power, files_of
from agent.devices.wake_on_lan import wake
from protocol.errors import (
    DeviceError,
    DeviceNotNowError,
    DevicePasswordError,
    DeviceTimeoutError,
    DeviceUnsupportedError,
)
from protocol.messages import Check, CheckStatus, Text

log = logging.getLogger(__name__)

CHECK = "board-power"
LESSON_S, IDLE_S = 30.0, 300.0
"""Between two looks at a board with nothing to do."""
SOON_S = 2.0
"""While it warms up, cools down or was just told something."""
ASK_AGAIN_S = 10.0
"""A board that took a command and did nothing is told again after this."""
NOT_NOW_S = 5.0
WARM_MOST_S = 150.0
"""A lamp is warm after 120 s at most, a panel up after 90 s; past this it does not come on."""
BLIND_WARM_S = 20.0
"""A display that cannot say that it is on is given so long before it is told its input."""
RETRY_FIRST_S, RETRY_MOST_S = 1.0, 60.0
FAILURES_MOST = 3
"""Looks lost in a row before the check says so: a network drops one now and then."""
GIVE_UP_S = 600.0
"""A board that could not be put back within this may be in somebody's use by then, and is left."""
LOOK_MOST_S = 45.0
"""Every exchange has its own deadline; a driver that forgets one ends here."""

_OFF = (Power.OFF, Power.STANDBY)


class BoardPower:
    """Owns the display of a room. ``on_news`` hears when the check has changed."""

    def __init__(
        self,
        choice: DisplayChoice,
        memory: BoardMemory,
        *,
        on_news: Callable[[], None] = lambda: None,
        output: BoardOutput | None = None,
        lamp_life_h: int | None = None,
        filter_life_h: int | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[float, float], float] = random.uniform,
        send_wake: Callable[[str, str], Awaitable[None]] = wake,
    ) -> None:
        self._driver, self._config = choice.driver, choice.config
        self._memory = memory
        self._on_news = on_news
        self._output = output or BoardOutput()
        self._wear = BoardWear(lamp_life_h, filter_life_h, now)
        self._now = now
        self._clock = clock
        self._jitter = jitter
        self._send_wake = send_wake
        self._woken = asyncio.Event()
        self._known: DisplayInfo | None = None
        self._failures = 0
        self._in_lesson = False
        self._rest_s = clock()
        """When the last lesson ended (or we began): it is put back ``off_after_s`` later."""
        self._lesson = _Lesson()
        self._last_power = Power.UNKNOWN
        self._looked_s = clock()
        self._news: asyncio.TimerHandle | None = None
        self._asked_off_s: float | None = None
        self.code: str | None = None
        """What is wrong, as a stable code; None while nothing is."""
        self._check = Check(id=CHECK, status=CheckStatus.UNKNOWN, since=now(), message=UNKNOWN)

    def lesson_is(self, is_running: bool) -> None:
        """Hear whether a lesson runs. Returns at once; the board follows."""
        if is_running == self._in_lesson:
            return
        self._in_lesson = is_running
        self._failures = 0
        self._asked_off_s = None
        if is_running:
            self._lesson = _Lesson()
        else:
            self._rest_s = self._clock()
        self._woken.set()

    @property
    def is_off(self) -> bool:
        """Whether the board said, at the last look, that it is off."""
        return self._last_power in _OFF

    def checks(self) -> tuple[Check, ...]:
        """Return the check ``board-power``, with the lamp's hours where the board says them."""
        return (self._check,)

    def wear_checks(self) -> tuple[Check, ...]:
        """Return ``board-lamp`` and ``board-filter`` once their hours were held against their rated life; for IT."""
        return self._wear.checks()

    async def run(self) -> None:
        """Look when it is time, until cancelled."""
        async with AsyncExitStack() as stack:
            if self._driver.listen is not None:
                try:
                    await stack.enter_async_context(self._driver.listen(self._config, self.look_soon))
                except DeviceError as error:  # then it is looked at in time, as any other
                    log.warning("The board's own news are not heard", extra={"reason": error.message})
            while True:
                wait_s = await self.look()
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._woken.wait()

    def look_soon(self) -> None:
        """Look soon: the board told something, or an adapter came. However often, looks keep their distance."""
        if self._news is None:
            wait_s = max(0.0, self._looked_s + SOON_S - self._clock())
            self._news = asyncio.get_running_loop().call_later(wait_s, self._hear)

    def _hear(self) -> None:
        self._news = None
        self._woken.set()

    async def look(self) -> float:
        """Ask the board, take the step that is missing, and return the seconds until the next look."""
        self._woken.clear()
        try:
            return await self._look()
        finally:
            self._looked_s = self._clock()

    async def _look(self) -> float:
        try:
            if self._memory.is_locked_out and await asyncio.to_thread(self._memory.is_refused, await self._secret()):
                self._judge("device-password")
                return IDLE_S
            async with asyncio.timeout(LOOK_MOST_S), self._driver.connect(self._config, self._known) as display:
                self._known = display.info
                self._memory.note_taken()
                status = await display.status()
                wait_s = await (self._serve if self._in_lesson else self._put_back)(display, status)
        except DeviceError as error:
            return await self._failed(error)
        except TimeoutError:
            return await self._failed(DeviceTimeoutError(f"the board did not let go within {LOOK_MOST_S:g} s"))
        except Exception:  # a third party's driver must not end a lesson, and this one's fall would end the agent
            log.exception("The board's driver fell")
            self._known = None
            self._judge("internal")
            return IDLE_S
        if self._failures >= FAILURES_MOST:
            log.info("The board answers again")
        self._failures = 0
        self._last_power = status.power
        fault = await self._output.fault(status, self._config.input) if self._in_lesson else None
        self._judge_status(status, fault)
        if self._wear.take(status):
            self._on_news()
        return wait_s

    # --- in a lesson ----------------------------------------------------------------------------------------------

    async def _serve(self, display: Display, status: DisplayStatus) -> float:
        lesson, now_s = self._lesson, self._clock()
        self._note_alive()
        if status.power is Power.ON or (status.power is Power.UNKNOWN and lesson.is_blind_warm(now_s)):
            lesson.was_on = True
            return await self._pick_input(display, status)
        if status.power is Power.WARMING:
            return SOON_S
        if lesson.was_on:
            self._somebody_switched_it()
            return LESSON_S
        if status.power is Power.COOLING:
            return NOT_NOW_S
        if lesson.power_failed is not None:
            return LESSON_S
        if lesson.asked_s is None or (status.power in _OFF and now_s - lesson.asked_s >= ASK_AGAIN_S):
            await self._switch_on(display, status)
        return SOON_S

    async def _switch_on(self, display: Display, status: DisplayStatus) -> None:
        lesson = self._lesson
        lesson.ask(self._clock())
        if status.power in _OFF or self._config.off_if_unknown:
            self._keep(switched_on=True)
        await self._wake()
        try:
            await display.power(True)
        except DeviceUnsupportedError as error:
            lesson.power_failed = error
            log.warning("The board cannot be switched on", extra={"code": error.code, "reason": error.message})
            return
        log.info("The board is switched on", extra={"was": status.power})

    async def _pick_input(self, display: Display, status: DisplayStatus) -> float:
        lesson, wanted = self._lesson, self._config.input
        if wanted is None or lesson.is_input_done or status.input == wanted:
            lesson.is_input_done = True
            return LESSON_S
        try:
            await display.select_input(wanted)
        except DeviceUnsupportedError as error:
            lesson.is_input_done, lesson.input_failed = True, error
            log.warning("The board does not take its input", extra={"code": error.code, "reason": error.message})
            return LESSON_S
        lesson.is_input_done = True
        before = self._memory.before
        if status.input is not None and (before is None or before.input is None):
            self._keep(input=status.input)
        log.info("The board's input is chosen", extra={"input": wanted, "was": status.input})
        return SOON_S

    def _somebody_switched_it(self) -> None:
        """Whoever switched the board off in a lesson has it: it is neither switched on again nor off later."""
        before = self._memory.before
        if before is not None:
            log.info("Somebody switched the board off; it is left alone")
            self._memory.forget()

    def _keep(self, *, switched_on: bool | None = None, input: str | None = None) -> None:
        before = self._memory.before
        self._memory.keep(
            switched_on=switched_on if switched_on is not None else (before is not None and before.switched_on),
            input=input if input is not None else (before.input if before is not None else None),
        )

    def _note_alive(self) -> None:
        if self._memory.before is not None:
            self._keep()

    async def _wake(self) -> bool:
        """Send the packet that wakes a sleeping network card, if there is one to send; say whether it was sent."""
        if self._config.wake_mac is None:
            return False
        try:
            await self._send_wake(self._config.wake_mac, str(self._config.wake_address))
        except DeviceError as error:
            log.warning("The board is not woken", extra={"code": error.code, "reason": error.message})
            return False
        return True

    # --- after it -------------------------------------------------------------------------------------------------

    async def _put_back(self, display: Display, status: DisplayStatus) -> float:
        before = self._memory.before
        if before is None:
            return IDLE_S
        left_s = self._rest_s + self._config.off_after_s - self._clock()
        if left_s > 0:
            return left_s
        if left_s < -GIVE_UP_S:
            return self._is_back("left, for it could not be reached in time")
        if status.power in (*_OFF, Power.COOLING):
            return self._is_back("off")
        if status.power is Power.WARMING:
            return SOON_S
        chosen = self._config.input
        if chosen is not None and status.input is not None and status.input not in (chosen, before.input):
            return self._is_back("left to whoever chose another input")
        try:
            if before.input is not None and status.input == chosen:
                await display.select_input(before.input)
            if before.switched_on and status.power is Power.ON:
                return await self._switch_off(display)
            if before.switched_on:  # it does not say how it stands: told once, and believed
                await display.power(False)
        except DeviceUnsupportedError as error:
            log.warning("The board cannot be put back", extra={"code": error.code, "reason": error.message})
        return self._is_back("as it was")

    async def _switch_off(self, display: Display) -> float:
        now_s = self._clock()
        if self._asked_off_s is None or now_s - self._asked_off_s >= ASK_AGAIN_S:
            self._asked_off_s = now_s
            await display.power(False)
        return SOON_S

    def _is_back(self, how: str) -> float:
        log.info("The board is put back", extra={"how": how})
        self._memory.forget()
        return IDLE_S

    # --- when it fails --------------------------------------------------------------------------------------------

    async def _failed(self, error: DeviceError) -> float:
        self._known = None
        if isinstance(error, DeviceNotNowError):
            if self._is_late():
                self._judge("board-not-on")
            return error.retry_after_s or NOT_NOW_S
        self._failures += 1
        level = logging.WARNING if self._failures == 1 else logging.DEBUG
        log.log(level, "The board is not reached", extra={"code": error.code, "reason": error.message})
        if isinstance(error, DevicePasswordError):
            await asyncio.to_thread(self._memory.note_refused, await self._secret())
        if not error.retryable:
            self._judge(error.code)
            return IDLE_S
        if not self._in_lesson and self._config.wake_mac is not None:
            return self._sleeps()
        if self._failures >= FAILURES_MOST:
            self._judge(error.code)
        if self._in_lesson and not self._lesson.was_on:
            await self._wake_unreached()
        return self._backoff()

    def _backoff(self) -> float:
        most_s = min(RETRY_FIRST_S * 2 ** min(self._failures - 1, 10), RETRY_MOST_S)
        return self._jitter(0.8 * most_s, 1.2 * most_s)

    def _sleeps(self) -> float:
        """A board that is woken over its network card answers nothing while it is off, which is no fault."""
        self._judge(None)
        if self._memory.before is None:
            return IDLE_S
        return self._is_back("off") if self._asked_off_s is not None else self._backoff()

    async def _wake_unreached(self) -> None:
        """A board whose network card sleeps answers nothing: it is off, and is switched on by waking it."""
        if self._failures < 2 or not await self._wake():
            return
        self._lesson.ask(self._clock())
        if self._memory.before is None and self._last_power is not Power.ON:
            self._keep(switched_on=True)

    async def _secret(self) -> bytes:
        """Return what a login depends on: the configuration and the files it names."""

        def read() -> bytes:
            parts = [self._config.model_dump_json().encode()]
            for path in files_of(self._config).values():
                parts.append(_content(path))
            return b"\0".join(parts)

        return await asyncio.to_thread(read)

    # --- what it says of itself -----------------------------------------------------------------------------------

    def _is_late(self) -> bool:
        first_s = self._lesson.first_asked_s
        return self._in_lesson and first_s is not None and self._clock() - first_s > WARM_MOST_S

    def _judge_status(self, status: DisplayStatus, output_fault: str | None) -> None:
        lesson = self._lesson
        has_no_signal = self._in_lesson and lesson.is_without_signal(status)
        has_output_fault = lesson.is_held(output_fault)
        if status.faults:
            self._judge("device-failed", message=fault_words(status.faults, is_error=True), hours=status.lamp_hours)
        elif self._in_lesson and (lesson.power_failed or lesson.input_failed):
            self._judge("device-unsupported", hours=status.lamp_hours)
        elif self._in_lesson and not lesson.was_on and self._is_late():
            self._judge("board-not-on", hours=status.lamp_hours)
        elif self._in_lesson and status.is_muted:
            self._judge("board-muted", hours=status.lamp_hours, most=CheckStatus.WARNING)
        elif output_fault is not None and has_output_fault:
            self._judge(output_fault, hours=status.lamp_hours, most=CheckStatus.WARNING)
        elif has_no_signal:
            self._judge("board-no-signal", hours=status.lamp_hours, most=CheckStatus.WARNING)
        elif status.warnings:
            words = fault_words(status.warnings, is_error=False)
            self._judge("device-failed", message=words, hours=status.lamp_hours, most=CheckStatus.WARNING)
        else:
            self._judge(None, hours=status.lamp_hours)

    def _judge(
        self,
        code: str | None,
        *,
        message: Text | None = None,
        hours: int | None = None,
        most: CheckStatus = CheckStatus.CRITICAL,
    ) -> None:
        """Set the check. What is critical in a lesson is a warning while nobody needs the board."""
        status = CheckStatus.OK
        if code is not None:
            status = most if self._in_lesson else CheckStatus.WARNING
        before = self._check
        is_same = (before.status, self.code) == (status, code)
        self.code = code
        self._check = Check(
            id=CHECK,
            status=status,
            since=before.since if is_same else self._now(),
            value=None if hours is None else float(hours),
            unit=None if hours is None else "h",
            message=None if code is None else message or MESSAGES.get(code, MESSAGES["device-failed"]),
            remedy=None if code is None else REMEDIES.get(code),
        )
        if not is_same:
            self._on_news()


class _Lesson:
    """What one lesson has seen and asked of the board."""

    def __init__(self) -> None:
        self.asked_s: float | None = None
        """When it was last told to come on."""
        self.first_asked_s: float | None = None
        self.was_on = False
        self.is_input_done = False
        self.power_failed: DeviceError | None = None
        self.input_failed: DeviceError | None = None
        self._without_signal = 0
        self._output_fault: str | None = None

    def ask(self, now_s: float) -> None:
        """Note that it is told to come on."""
        self.asked_s = now_s
        self.first_asked_s = now_s if self.first_asked_s is None else self.first_asked_s

    def is_without_signal(self, status: DisplayStatus) -> bool:
        """Whether two looks in a row saw no picture arrive; right after its input was chosen none does."""
        self._without_signal = self._without_signal + 1 if status.has_signal is False else 0
        return self._without_signal >= 2

    def is_held(self, output_fault: str | None) -> bool:
        """Whether two looks in a row saw this of the cable; while a mode is being set one look may see anything."""
        was, self._output_fault = self._output_fault, output_fault
        return was == output_fault

    def is_blind_warm(self, now_s: float) -> bool:
        """Whether a display that says nothing has had the time to come on."""
        return self.power_failed is not None or (self.asked_s is not None and now_s - self.asked_s >= BLIND_WARM_S)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        return type(error).__name__.encode()
