"""The camera that turns: kept connected, turned while somebody holds a button, stopped on every way out.

`hold` says that a button is held; who holds it says so again. The camera stops when nobody has for `HOLD_S` (the page
is gone, a message was lost, the loop was late), when it is released, when a move fails, when a lost connection is back,
and when the agent leaves. Whatever stops it is tried several times. An agent that was killed could stop nothing: the
first connection of the next one begins with a stop.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from agent.devices.base import DriverConfig
from agent.devices.ptz import RENEW_S, Position, Ptz, PtzDriver, PtzInfo
from agent.retries import Retries, RetryPolicy
from agent.supervise import Nudge, keep_device
from protocol.errors import DeviceError, DeviceLostError, DeviceTimeoutError, DeviceUnsupportedError

log = logging.getLogger(__name__)

HOLD_S = 0.5
"""The panel renews each 0.2 s; a camera at full speed turns by some 40° in half a second, not by the whole room."""

FOLLOW_S = 1.2
"""The program says anew how to turn after each look at the picture, and a slow mini-PC looks each 0.8 s; its speeds are
low. Stopping in between would be seen as a jerk."""

STOP_TRIES = 3
STOP_MOST_S = 3.0
"""For all tries together; past it the next connection begins with a stop."""

LOOK_S = 5.0
"""How often an idle camera is asked where it looks: so a lost one is known before somebody presses."""

PERSON_FIRST_S = 30.0
"""After somebody turned the camera, or sent it to a preset, the program leaves it where it is for so long."""

RETRY = RetryPolicy(first_s=0.5, most_s=30.0, calm_s=10.0, unfit_s=30.0)


@dataclass(frozen=True, slots=True)
class PtzChoice:
    """The turning camera as the room's configuration names it. ``presets``: name → the camera's own id.

    ``class_preset``: the school wants a preset with pupils in the picture; without it ``presets`` has no *class*.
    """

    driver: PtzDriver
    config: DriverConfig
    presets: Mapping[str, str] = field(default_factory=dict)
    class_preset: bool = False


class MovesWatcher(Protocol):
    """Hears what the camera is told, before it is told, and where it looks. Called on the loop; never waits."""

    def connected(self, info: PtzInfo) -> None: ...

    def lost(self) -> None:
        """There is no connection any more, or none could be made: it may look anywhere."""
        ...

    def turning(self) -> None:
        """It is about to turn, or goes on turning."""
        ...

    def standing(self) -> None:
        """It has confirmed that it stands."""
        ...

    def recalling(self, view: str) -> None: ...

    def recalled(self, view: str) -> None: ...

    def recall_failed(self) -> None:
        """It may have gone all the same."""
        ...

    def stored(self, view: str) -> None: ...

    def looked(self, place: Position) -> None: ...

    def look_s(self) -> float:
        """Return how soon it should be asked again where it looks; it is at least each `LOOK_S`."""
        ...


class CameraMoves:
    """Owns the connection. ``run`` lives until cancelled; everything else may be called at any time, on its loop."""

    def __init__(
        self,
        choice: PtzChoice,
        *,
        hold_s: float = HOLD_S,
        look_s: float = LOOK_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        watcher: MovesWatcher | None = None,
    ) -> None:
        self.choice = choice
        self._watcher = watcher
        self.problem: DeviceError | None = None
        """Why there is no connection; None while there is one, or before the first try."""
        self.position: Position | None = None
        """Where the camera last said that it looks; None since it was told to turn."""
        self._hold_s = hold_s
        self._look_s = look_s
        self._clock = clock
        self._nudge = Nudge(sleep)
        self._retries = Retries(RETRY, clock=clock)
        self._ptz: Ptz | None = None
        self._wanted: tuple[float, float, float] | None = None
        self._until_mono_s = 0.0
        self._person_mono_s = float("-inf")
        """When a person last had it turned."""
        self._news = asyncio.Event()
        self._still = asyncio.Event()
        self._still.set()
        self._may_turn = False
        """It was told to turn and has not confirmed that it stands."""
        self._is_taken_over = False
        """It was told to stand since this agent runs."""

    @property
    def info(self) -> PtzInfo | None:
        """What the camera can do; None while it is not connected."""
        return self._ptz.info if self._ptz else None

    @property
    def is_turning(self) -> bool:
        """Whether it was told to turn and has not confirmed that it stands."""
        return self._may_turn or self._wanted is not None

    # What people do.

    def hold(self, pan: float, tilt: float, zoom: float) -> None:
        """Turn at these speeds (`Ptz.move`) for `HOLD_S` from now; again to go on. Returns at once.

        Raises DeviceUnsupportedError for what this camera cannot do, and DeviceLostError while there is none.
        """
        self._person_mono_s = self._clock()
        self._hold(pan, tilt, zoom, self._hold_s)

    def follow(self, pan: float, tilt: float, zoom: float) -> None:
        """Turn as `hold` does, for the program itself and for `FOLLOW_S`; not while the camera `is_a_persons`."""
        if not self.is_a_persons:
            self._hold(pan, tilt, zoom, FOLLOW_S)

    @property
    def is_a_persons(self) -> bool:
        """Whether somebody turned the camera a moment ago, so that the program must not."""
        return self._clock() - self._person_mono_s < PERSON_FIRST_S

    def _hold(self, pan: float, tilt: float, zoom: float, hold_s: float) -> None:
        for speed in (pan, tilt, zoom):
            if not -1 <= speed <= 1:
                raise DeviceUnsupportedError(f"a camera turns at -1 to 1 of its top speed; {speed:g} is outside")
        able = self._connected().info.capabilities
        for speed, capability, what in ((pan or tilt, "pan-tilt", "turn"), (zoom, "zoom", "zoom")):
            if speed and capability not in able:
                raise DeviceUnsupportedError(f"this camera cannot {what}; take the button out of the panel")
        if not (pan or tilt or zoom):
            self.release()
            return
        self._until_mono_s = self._clock() + hold_s
        if self._watcher:
            self._watcher.turning()
        if self._wanted != (pan, tilt, zoom):
            self._wanted = (pan, tilt, zoom)
            self._still.clear()
            self._news.set()

    def nudge(self) -> None:
        """Connect at once to a camera that is away: a serial adapter was plugged in."""
        if self._ptz is None and self._retries.may_hurry():
            self._nudge.give()

    def release(self) -> None:
        """Stop: the button is no longer held. Returns at once."""
        self._wanted = None
        self._news.set()

    def look_soon(self) -> None:
        """Ask the camera at once where it looks."""
        self._news.set()

    async def recall(self, name: str) -> None:
        """Go to a preset of the configuration, whatever is held. Raises DeviceError and its kinds."""

        async def go(ptz: Ptz, preset: str) -> None:
            if self._watcher:
                self._watcher.recalling(name)
            try:
                await ptz.recall(preset)
            except BaseException:
                if self._watcher:
                    self._watcher.recall_failed()
                raise
            if self._watcher:
                self._watcher.recalled(name)

        await self._act(name, go)

    async def store(self, name: str) -> None:
        """Make the present view a preset of the configuration. Raises DeviceError and its kinds."""

        async def keep(ptz: Ptz, preset: str) -> None:
            await ptz.store(preset)
            if self._watcher:
                self._watcher.stored(name)

        await self._act(name, keep)

    async def _act(self, name: str, act: Callable[[Ptz, str], Awaitable[None]]) -> None:
        preset = self.choice.presets.get(name)
        if preset is None:
            known = ", ".join(f'"{one}"' for one in self.choice.presets) or "none"
            raise DeviceUnsupportedError(
                f'there is no preset "{name}" in the configuration; there are: {known}', code="preset-not-found"
            )
        self._person_mono_s = self._clock()
        self._connected()
        self.release()
        await self._still.wait()  # a stop that comes after it would end it
        try:
            await act(self._connected(), preset)
        except (DeviceLostError, DeviceTimeoutError):
            self._news.set()  # look at once whether it is still there
            raise
        self.position = None
        self._news.set()  # and where it goes

    def _connected(self) -> Ptz:
        if self._ptz is None:
            why = self.problem.message if self.problem else "it is not connected yet"
            raise DeviceLostError(f"the camera cannot be turned: {why}")
        return self._ptz

    # Carrying it out.

    async def run(self) -> None:
        """Keep the camera connected, and carry out what is held, until cancelled."""
        await keep_device(
            "camera moves",
            self._connect,
            self.choice.config.login_stamp,
            self._retries,
            on_failure=self._failed,
            sleep=self._nudge.wait,
        )

    def _failed(self, error: DeviceError) -> None:
        self.problem = error
        if self._watcher:
            self._watcher.lost()

    async def _connect(self) -> None:
        async with self.choice.driver.connect(self.choice.config) as ptz:
            if self._may_turn:  # the last connection was lost while it turned
                await self._halt(ptz)
            elif not self._is_taken_over:
                await self._take_over(ptz)
            self._is_taken_over = True
            if self.problem is not None:
                log.info("The camera can be turned again")
            self.problem, self._ptz, self._wanted = None, ptz, None
            self._nudge.forget()
            self._still.set()
            self._news.set()
            if self._watcher:
                self._watcher.connected(ptz.info)
            try:
                await self._serve(ptz)
            finally:
                self._ptz = self._wanted = self.position = None
                self._still.set()
                if self._watcher:
                    self._watcher.lost()

    async def _serve(self, ptz: Ptz) -> None:
        while True:
            try:
                async with asyncio.timeout(min(self._look_s, self._watcher.look_s() if self._watcher else LOOK_S)):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            if self._wanted is None:
                if not self._may_turn:  # let go before it was told to turn
                    self._stands()
                if "position" in ptz.info.capabilities:
                    place = await ptz.position()
                    if self._wanted is None:  # else it is where it was before
                        self.position = place
                        if self._watcher:
                            self._watcher.looked(place)
                continue
            self.position = None
            try:
                await self._turn(ptz)
            finally:
                await self._halt(ptz)

    async def _turn(self, ptz: Ptz) -> None:
        """Turn the camera as it is held, until it is held no longer."""
        self._may_turn = True
        self._still.clear()
        while (wanted := self._wanted) is not None:
            self._news.clear()
            left_s = self._until_mono_s - self._clock()
            try:
                async with asyncio.timeout(max(left_s, 0.0)):
                    await ptz.move(*wanted)
                    async with asyncio.timeout(RENEW_S):
                        await self._news.wait()
            except TimeoutError:
                if self._clock() >= self._until_mono_s:
                    self._wanted = None

    async def _take_over(self, ptz: Ptz) -> None:
        """Have a camera stand that an earlier run of the agent may have left turning; one in standby may refuse it."""
        try:
            async with asyncio.timeout(STOP_MOST_S):
                await self._stop(ptz)
        except TimeoutError:
            raise DeviceTimeoutError("the camera did not take its first stop in time; it is told again") from None
        except (DeviceLostError, DeviceTimeoutError):
            raise
        except DeviceError as error:
            log.info("The camera took no stop when it was connected", extra={"reason": error.message})

    async def _halt(self, ptz: Ptz) -> None:
        """Have the camera stand; raise what keeps it from it."""
        try:
            async with asyncio.timeout(STOP_MOST_S):
                await self._stop(ptz)
        except TimeoutError:
            log.error("The camera may still be turning: it did not take the stop; it is told again when it answers")
            raise DeviceTimeoutError("the camera did not take the stop in time; it is told again") from None
        except DeviceError as error:
            log.error(
                "The camera may still be turning: it did not take the stop; it is told again when it answers",
                extra={"reason": error.message},
            )
            raise

    async def _stop(self, ptz: Ptz) -> None:
        for left in reversed(range(STOP_TRIES)):
            try:
                await ptz.stop()
            except DeviceLostError:
                raise
            except DeviceError:
                if not left:
                    raise
            else:
                self._stands()
                return

    def _stands(self) -> None:
        self._may_turn = False
        if not self._still.is_set():
            self._still.set()
            if self._watcher:
                self._watcher.standing()
