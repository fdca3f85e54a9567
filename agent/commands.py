"""What the centre may ask of the room: MQTT commands → lesson, publisher, outbox."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel, ValidationError

from agent.lesson import Lesson
from agent.outbox import Outbox
from agent.shared_screen import SharedScreen
from agent.streams.turn import Reach
from agent.talk import Talk
from protocol import messages
from protocol.errors import CommandError, LessonError
from protocol.messages import Command
from protocol.topics import parse

Handler = Callable[[Any], Awaitable[BaseModel | None]]


class Commands:
    """Carries out each command of `protocol.messages.COMMANDS`; an EstradeError becomes the answer's error."""

    def __init__(
        self,
        lesson: Lesson,
        outbox: Outbox,
        reach: Reach,
        *,
        is_ready: Callable[[], bool],
        on_acknowledged: Callable[[], None],
        on_seen: Callable[[str], None],
        on_selftest: Callable[[], Awaitable[messages.SelfTestNumbers]],
    ) -> None:
        self._lesson = lesson
        self._reach = reach
        self._outbox = outbox
        self._is_ready = is_ready
        self._on_acknowledged = on_acknowledged
        self._on_seen = on_seen
        self._on_selftest = on_selftest
        self._handlers: dict[str, Handler] = {
            "rtc.offer": self._offer,
            "rtc.publish": self._publish,
            "rtc.candidate": self._candidate,
            "rtc.close": self._close,
            "rtc.relay": self._relay,
            "lesson.stop": self._stop,
            "lesson.propose": self._propose,
            "lesson.mute": self._mute,
            "check.seen": self._seen,
            "selftest.run": self._test,
            "event.ack": self._acknowledge,
        }
        assert self._handlers.keys() == messages.COMMANDS.keys()

    async def carry_out(self, topic: str, command: Command) -> dict[str, Any]:
        """Return the result of a command, or raise an EstradeError. The link answers repeated ids by itself."""
        try:
            name = parse(topic).name
        except ValueError:  # a subscription with "+" hears names that no topic of ours has
            raise CommandError("this is no command of a room", code="command-unknown") from None
        if name not in self._handlers:
            raise CommandError(f'this room does not know the command "{name}"', code="command-unknown")
        try:
            args = messages.COMMANDS[name].model_validate(command.args)
        except ValidationError as error:
            detail = error.errors(include_url=False, include_input=False)[0]
            key = ".".join(str(part) for part in detail["loc"])
            raise CommandError(f"{name}: {key}: {detail['msg'].lower()}", code="args-invalid") from None
        result = await self._handlers[name](args)
        return result.model_dump(mode="json") if result is not None else {}

    async def _offer(self, args: messages.RtcOffer) -> BaseModel:
        self._check_ready()
        publisher = self._lesson.invite(args.holder)
        servers = await self._reach.usable(args.ice_servers)
        sdp = await publisher.accept(args.viewer, args.sdp, servers, args.holder)
        self._reach.answered(servers, sdp)
        return messages.RtcAnswer(sdp=sdp)

    async def _publish(self, args: messages.RtcPublish) -> BaseModel:
        self._check_ready()
        self._lesson.welcome()
        servers = await self._reach.usable(args.ice_servers)
        taker = self._lesson.talk if args.what == "voice" else self._lesson.screen
        if taker is None:
            raise LessonError("the lesson ended meanwhile", code="lesson-ended")
        sdp = await taker.accept(args.viewer, args.sdp, servers, args.holder)
        self._reach.answered(servers, sdp)
        return messages.RtcAnswer(sdp=sdp)

    def _taker(self, sender: str) -> Talk | SharedScreen | None:
        """Return who takes what comes over this connection; None: it is a viewer's, or nobody's."""
        takers = (self._lesson.talk, self._lesson.screen)
        return next((one for one in takers if one is not None and one.knows(sender)), None)

    def _check_ready(self) -> None:
        if not self._is_ready():
            raise CommandError("the room is starting; ask again", code="starting", retryable=True, retry_after_s=0.3)

    async def _candidate(self, args: messages.RtcCandidate) -> None:
        taker = self._taker(args.viewer)
        if taker is not None:
            await taker.add_candidates(args.viewer, args.candidates, args.mid)
            return
        await self._lesson.welcome().add_candidates(args.viewer, args.candidates, args.mid, args.is_last)

    async def _close(self, args: messages.RtcClose) -> None:
        publisher, taker = self._lesson.publisher, self._taker(args.viewer)
        if taker is not None:
            taker.leave(args.viewer)
        elif publisher is not None:
            await publisher.close_viewer(args.viewer, args.reason)

    async def _relay(self, args: messages.RtcRelay) -> None:
        self._lesson.welcome().check_relay(args.holder)

    async def _stop(self, args: messages.LessonStop) -> None:
        self._lesson.stop(messages.STOPPED_FROM_AFAR)

    async def _propose(self, args: messages.LessonPropose) -> None:
        self._lesson.propose(args.proposal, args.actor, args.expires_s)

    async def _mute(self, args: messages.LessonMute) -> None:
        self._lesson.set_on_air(camera=args.camera, board=args.board, sound=args.sound, from_afar=True)

    async def _seen(self, args: messages.CheckSeen) -> None:
        self._on_seen(args.check)

    async def _test(self, args: messages.SelfTestRun) -> BaseModel:
        return await self._on_selftest()

    async def _acknowledge(self, args: messages.EventAck) -> None:
        if await self._outbox.acknowledge(args.ids):
            self._on_acknowledged()
