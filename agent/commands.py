"""What the centre may ask of the room: MQTT commands → lesson, publisher, outbox."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel, ValidationError

from agent.lesson import Lesson
from agent.outbox import Outbox
from agent.streams.turn import Reach
from protocol import messages
from protocol.errors import CommandError
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
    ) -> None:
        self._lesson = lesson
        self._reach = reach
        self._outbox = outbox
        self._is_ready = is_ready
        self._on_acknowledged = on_acknowledged
        self._on_seen = on_seen
        self._handlers: dict[str, Handler] = {
            "rtc.offer": self._offer,
            "rtc.candidate": self._candidate,
            "rtc.close": self._close,
            "lesson.stop": self._stop,
            "lesson.propose": self._propose,
            "lesson.mute": self._mute,
            "check.seen": self._seen,
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
        if not self._is_ready():
            raise CommandError("the room is starting; ask again", code="starting", retryable=True, retry_after_s=0.3)
        publisher = self._lesson.welcome()
        servers = await self._reach.usable(args.ice_servers)
        sdp = await publisher.accept(args.viewer, args.sdp, servers, args.holder)
        self._reach.answered(servers, sdp)
        return messages.RtcAnswer(sdp=sdp)

    async def _candidate(self, args: messages.RtcCandidate) -> None:
        await self._lesson.welcome().add_candidates(args.viewer, args.candidates, args.mid, args.is_last)

    async def _close(self, args: messages.RtcClose) -> None:
        publisher = self._lesson.publisher
        if publisher is not None:
            await publisher.close_viewer(args.viewer, args.reason)

    async def _stop(self, args: messages.LessonStop) -> None:
        self._lesson.stop("stopped from the centre")  # by whom is in the centre's own record of acts

    async def _propose(self, args: messages.LessonPropose) -> None:
        self._lesson.propose(args.proposal, args.actor, args.expires_s)

    async def _mute(self, args: messages.LessonMute) -> None:
        self._lesson.set_on_air(camera=args.camera, board=args.board, sound=args.sound, from_afar=True)

    async def _seen(self, args: messages.CheckSeen) -> None:
        self._on_seen(args.check)

    async def _acknowledge(self, args: messages.EventAck) -> None:
        if await self._outbox.acknowledge(args.ids):
            self._on_acknowledged()
