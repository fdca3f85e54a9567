"""What is seen and heard in a self-test: camera, microphone, loudspeaker and board, opened for it and closed after it.

Nothing of it is kept or sent: the pictures and the sound become numbers here. All devices are open for a look only: a
lesson that begins takes them at once (`CaptureHost.open_picture`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

from agent.device_slot import DeviceChoice
from agent.devices.capture import CaptureHost
from agent.devices.captured import CapturedSound
from agent.devices.marker import Corner, area_share
from agent.devices.x11 import X11Config
from agent.media import Frame
from agent.selftest import board, chirp, flash, judge
from agent.selftest.hearing import LISTEN_S, Ear, Sense, cross_the_room, plain, play
from agent.selftest.outcome import Outcome
from agent.selftest.steps import Run
from protocol.errors import DeviceError, DeviceNotFoundError
from protocol.messages import DeviceRole

OPEN_MOST_S = 4.0
"""A network camera takes up to 4 s; whoever takes longer is told so, and the test ends in time."""
EXPOSE_MOST_S = 1.5
"""A camera begins dark; a picture that is good before that is taken at once."""
SEEK_MOST_S = 2.5
"""The card is drawn, shown by a projector, exposed and found within this."""
SETTLE_S = 0.4
"""From the marker to black: what the camera sees has to be dark before the first flash."""

LIMITS_S: Mapping[str, float] = {
    "camera": OPEN_MOST_S + EXPOSE_MOST_S + 0.5,
    "microphone": OPEN_MOST_S + LISTEN_S + 0.5,
    "loop": 3.0,
    "board-seen": SEEK_MOST_S + board.SHOW_MOST_S + 0.5,
    "av-offset": 4.0,
}


@dataclass(frozen=True, slots=True)
class RoomParts:
    """The devices of a room, and whether its camera is meant to see its board."""

    host: CaptureHost
    choices: Sequence[DeviceChoice]
    camera_sees_board: bool = True
    is_board_off: Callable[[], bool] = lambda: False
    usual_gain_db: Callable[[str], float | None] = lambda microphone: None
    """How loud it heard the room's loudspeaker when the normal state was recorded."""

    def first(self, role: DeviceRole) -> DeviceChoice | None:
        return next((choice for choice in self.choices if choice.role is role), None)


class _Eye(Sense):
    """What the camera has seen so far."""

    def __init__(self) -> None:
        super().__init__()
        self.frame: Frame | None = None
        self.looks: list[flash.Look] = []
        self.corners: tuple[Corner, ...] | None = None

    def take(self, frame: Frame) -> None:
        self.frame = frame
        if self.corners is not None:
            xs, ys = zip(*self.corners, strict=True)
            region = frame.image[max(0, int(min(ys))) : int(max(ys)), max(0, int(min(xs))) : int(max(xs))]
            self.looks.append(flash.Look(frame.captured_mono_s, float(region[::2, ::2].mean())))
        self.came()

    async def look(self, most_s: float) -> Frame:
        """Return the next picture; after ``most_s`` the last one again: some cameras are quiet while all is still."""
        with suppress(TimeoutError):
            async with asyncio.timeout(0.0 if self.frame is None else most_s):
                await self.news()
        while self.frame is None:
            await self.news()
        return self.frame


class RoomTest:
    """One run; ``on_touch`` hears of a finger on the card that covers the board, and so perhaps the panel."""

    def __init__(self, parts: RoomParts, run: Run, on_touch: Callable[[], None]) -> None:
        self._parts = parts
        self._run = run
        self._on_touch = on_touch
        self._eye, self._ear = _Eye(), Ear()
        self._echo: chirp.Echo | None = None
        self._card: board.Card | None = None
        self._finder: board.Finder | None = None
        loop = asyncio.get_running_loop()
        self._microphone: asyncio.Future[CapturedSound] = loop.create_future()

    async def carry_out(self) -> None:
        """Open, look, listen, show and play; close everything again, also when cancelled."""
        holding = [
            asyncio.create_task(self._hold_camera(), name="test camera"),
            asyncio.create_task(self._hold_microphone(), name="test microphone"),
        ]
        try:
            async with AsyncExitStack() as stack:
                await self._carry_out(stack)
        finally:
            for task in holding:
                task.cancel()
            await asyncio.wait(holding)

    async def _carry_out(self, stack: AsyncExitStack) -> None:
        config = self._board()
        if isinstance(config, X11Config):  # they start while the camera opens
            self._finder = await stack.enter_async_context(board.finder())
            self._card = await stack.enter_async_context(board.card_on(config.display, self._on_touch))

        async def see() -> Outcome:
            picture = await self._step("camera", self._see)
            return await self._step("board-seen", lambda: self._seek(picture))

        async def hear() -> Outcome:
            level = await self._step("microphone", self._listen)
            loop = await self._step("loop", lambda: self._loop(level))
            if loop.verdict != "failed" and level.variant in ("silent", "muted") and self._echo is not None:
                await self._step("microphone", _gated)
            return loop

        async with asyncio.TaskGroup() as tasks:
            seeing = tasks.create_task(see(), name="test sight")
            hearing = tasks.create_task(hear(), name="test sound")
        is_possible = seeing.result().verdict == "ok" and hearing.result().verdict in ("ok", "warning")
        await self._step("av-offset", lambda: self._offset(self._card if is_possible else None))

    async def _step(self, step: str, look: Callable[[], Any]) -> Outcome:
        return await self._run.step(step, look, LIMITS_S[step])

    # --- devices --------------------------------------------------------------------------------------------------

    async def _hold_camera(self) -> None:
        choice = self._parts.first(DeviceRole.CAMERA)
        if choice is None:
            return
        try:
            async with self._parts.host.open_picture(
                choice.driver, choice.id, choice.config, open_timeout_s=OPEN_MOST_S, gives_way=True
            ) as camera:
                while True:
                    self._eye.take(await camera.next_frame())
        except DeviceError as error:
            self._eye.fail(error)

    async def _hold_microphone(self) -> None:
        choice = self._parts.first(DeviceRole.MICROPHONE)
        if choice is None:
            return
        try:
            async with self._parts.host.open_sound(
                choice.driver, choice.id, plain(choice.config), open_timeout_s=OPEN_MOST_S, gives_way=True
            ) as microphone:
                self._microphone.set_result(microphone)
                while True:
                    self._ear.take(await microphone.next_block())
        except DeviceError as error:
            self._ear.fail(error)

    # --- steps ----------------------------------------------------------------------------------------------------

    async def _see(self) -> Outcome:
        if self._parts.first(DeviceRole.CAMERA) is None:
            return Outcome("skipped", "none")
        await self._eye.look(0.0)
        deadline_s = time.monotonic() + EXPOSE_MOST_S
        while True:
            outcome = await asyncio.to_thread(judge.picture, await self._eye.look(0.25))
            if outcome.verdict == "ok" or time.monotonic() > deadline_s:
                return outcome

    async def _listen(self) -> Outcome:
        if self._parts.first(DeviceRole.MICROPHONE) is None:
            return Outcome("skipped", "none")
        await self._ear.until(0.0)
        started_s = time.monotonic()
        await self._ear.until(started_s + LISTEN_S)
        return judge.sound(self._ear.since(started_s)[0])

    async def _loop(self, level: Outcome) -> Outcome:
        if level.variant == "nothing" or not self._microphone.done():
            return Outcome("skipped", "no-sound")
        microphone = self._microphone.result()
        if "playback" not in microphone.info.capabilities:
            return Outcome("skipped", "no-loudspeaker")
        self._echo = await cross_the_room(microphone, self._ear)
        return judge.loop(self._echo, self._parts.usual_gain_db(microphone.device_id))

    async def _seek(self, picture: Outcome) -> Outcome:
        reason = self._board()
        if isinstance(reason, str):
            return Outcome("skipped", reason)
        if self._eye.frame is None or picture.variant == "black":
            return Outcome("skipped", "no-camera")
        card, finder = self._card, self._finder
        assert card is not None
        assert finder is not None
        try:
            await card.show("marker")
        except DeviceNotFoundError:
            return Outcome("failed", "no-screen")
        deadline_s = time.monotonic() + SEEK_MOST_S
        while time.monotonic() < deadline_s:
            frame = await self._eye.look(0.25)
            self._eye.corners = await finder.find(frame.image[: frame.height_px])
            if self._eye.corners is not None:
                await card.show("black")
                share = 100 * area_share(self._eye.corners, frame.width_px, frame.height_px)
                return Outcome("ok", "", round(share, 1), "%")
        await card.show("black")
        return Outcome("warning", "not-seen")

    def _board(self) -> X11Config | str:
        """Return the screen that the camera should see; or why nothing is shown, as a variant of the words."""
        choice = self._parts.first(DeviceRole.BOARD)
        if choice is None:
            return "none"
        if not isinstance(choice.config, X11Config):
            return "not-x11"
        if not self._parts.camera_sees_board:
            return "not-meant"
        return "board-off" if self._parts.is_board_off() else choice.config

    async def _offset(self, card: board.Card | None) -> Outcome:
        if card is None:
            return judge.offset(None)
        microphone = self._microphone.result()
        await card.show("black")
        await asyncio.sleep(SETTLE_S)
        shown_s, played_s = [], []
        started_s = time.monotonic()
        for number in range(flash.FLASHES):
            await asyncio.sleep(max(0.0, started_s + number * flash.PERIOD_S - time.monotonic()))
            shown_s.append(await card.show("white"))
            played_s.append(time.monotonic())
            await play(microphone, flash.beep())
            await card.show("black")
        await self._ear.until(played_s[-1] + 0.6)
        sound, first_s = self._ear.since(started_s - 0.3)
        seen = [flash.seen_at(self._eye.looks, at_s) for at_s in shown_s]
        heard = [flash.heard_at(sound, first_s, at_s) for at_s in played_s]
        leads = [played - shown for shown, played in zip(shown_s, played_s, strict=True)]
        return judge.offset(flash.offset_s(seen, heard, leads, self._echo.delay_s if self._echo else 0.0))


async def _gated() -> Outcome:
    """A microphone that heard the sweep is not off: it leaves out the noise of an empty room by itself."""
    return Outcome("ok", "gated")
