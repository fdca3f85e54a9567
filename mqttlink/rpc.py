"""Request and response over MQTT 5: one act, one answer, repeated ids answered alike.

The caller's half (`Calls`) matches answers by correlation data *and* topic, so that a room, which can write to its
own reply topic only, cannot answer for another. The other half (`Served`) runs each command once.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from mqttlink.centre_clock import CentreClock
from mqttlink.message import Message
from protocol.errors import BrokerError, CommandError, EstradeError
from protocol.messages import Answer, Command, Problem

log = logging.getLogger(__name__)

CommandHandler = Callable[[str, Command], Awaitable[dict[str, Any]]]
"""``handler(topic, command)`` returns the result, or raises EstradeError."""

REPEATS = 256
"""Answers remembered, so that a repeated command (QoS 1 may deliver twice, people press twice) is not done twice."""
ANSWER_EXPIRY_S = 30
NO_LISTENER = 0x10
"""PUBACK "No matching subscribers"."""


class Publish(Protocol):
    """`Link`'s own publish with everything that requests need."""

    async def __call__(
        self,
        topic: str,
        payload: bytes,
        *,
        expiry_s: int,
        response_topic: str | None = None,
        correlation: bytes | None = None,
    ) -> int: ...


class Calls:
    """Requests of ours that wait for their answer."""

    def __init__(self, publish: Publish, clock: CentreClock) -> None:
        self._publish = publish
        self._clock = clock
        self._waiting: dict[bytes, tuple[str, asyncio.Future[bytes]]] = {}

    async def call(self, topic: str, args: BaseModel, *, reply_topic: str, timeout_s: float) -> dict[str, Any]:
        """Send a command and return its result.

        Raises CommandError with the code that the other side gave; ``room-timeout`` when no answer came in
        ``timeout_s``; ``room-offline`` at once when nobody listens; BrokerError when the broker does not take it.
        """
        correlation = secrets.token_bytes(16)
        command = Command(
            id=correlation.hex(), deadline=self._clock.deadline(timeout_s), args=args.model_dump(mode="json")
        )
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[correlation] = (reply_topic, answered)
        try:
            async with asyncio.timeout(timeout_s):
                # Expiry counts whole seconds and is rounded up by brokers; the deadline inside is the exact one.
                reason = await self._publish(
                    topic,
                    command.model_dump_json().encode(),
                    expiry_s=math.ceil(timeout_s) + 1,
                    response_topic=reply_topic,
                    correlation=correlation,
                )
                if reason == NO_LISTENER and not answered.done():
                    raise CommandError(f'nobody listens to "{topic}"', code="room-offline", retryable=True)
                payload = await answered
        except TimeoutError:
            raise CommandError(
                f'no answer to "{topic}" in {timeout_s:g} s', code="room-timeout", retryable=True
            ) from None
        finally:
            self._waiting.pop(correlation, None)
        return _result(topic, payload)

    def take(self, message: Message) -> bool:
        """Return whether the message is the answer that somebody waits for, and hand it over."""
        if message.correlation is None:
            return False
        reply_topic, answered = self._waiting.get(message.correlation, ("", None))
        if answered is None or reply_topic != message.topic:
            return False
        if not answered.done():
            answered.set_result(message.payload)
        return True


def _result(topic: str, payload: bytes) -> dict[str, Any]:
    try:
        answer = Answer.model_validate_json(payload)
    except ValidationError as error:
        raise CommandError(f'the answer to "{topic}" is not an answer: {error.errors()[0]["msg"]}') from error
    if answer.ok:
        return answer.result
    problem = answer.error or Problem(code="command-failed", message="the command was refused without a reason")
    raise CommandError(
        problem.message,
        code=problem.code,
        retryable=problem.retry_after_s is not None,
        retry_after_s=problem.retry_after_s,
    )


class Served:
    """Commands of others, each carried out once and answered as often as it is asked."""

    def __init__(
        self,
        handler: CommandHandler,
        publish: Publish,
        clock: CentreClock,
        *,
        repeats: int = REPEATS,
    ) -> None:
        self._handler = handler
        self._publish = publish
        self._clock = clock
        self._repeats = repeats
        self._answers: OrderedDict[tuple[str, str], asyncio.Future[Answer]] = OrderedDict()

    async def handle(self, message: Message) -> None:
        """Carry out the command in the message, unless it was before, and publish the answer."""
        answer = await self._answer(message)
        if message.response_topic is None:
            return
        try:
            await self._publish(
                message.response_topic,
                answer.model_dump_json().encode(),
                expiry_s=ANSWER_EXPIRY_S,
                correlation=message.correlation,
            )
        except BrokerError as error:
            # Whoever asked runs into its time-out and may ask again with the same id.
            log.log(
                logging.DEBUG if error.code == "broker-unavailable" else logging.WARNING,
                "An answer was not delivered",
                extra={"topic": message.topic, "code": error.code, "reason": error.message},
            )

    async def _answer(self, message: Message) -> Answer:
        try:
            command = Command.model_validate_json(message.payload)
        except ValidationError as error:
            problem = f"the envelope is not of its form: {error.errors()[0]['msg']}"
            return Answer(ok=False, error=Problem(code="args-invalid", message=problem[:500]))
        key = (message.topic, command.id)
        if key not in self._answers and await self._clock.has_passed(command.deadline):
            return Answer(ok=False, error=Problem(code="command-late", message="the command came after its deadline"))
        known = self._answers.get(key)
        if known is not None:
            self._answers.move_to_end(key)
            return await asyncio.shield(known)
        promise: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[key] = promise
        self._forget_old()
        try:
            answer = await self._carry_out(message.topic, command)
        except BaseException:  # cancelled: whoever asks again may find us in a better state
            self._answers.pop(key, None)
            promise.cancel()
            raise
        promise.set_result(answer)
        return answer

    async def _carry_out(self, topic: str, command: Command) -> Answer:
        try:
            return Answer(ok=True, result=await self._handler(topic, command))
        except EstradeError as error:
            problem = Problem(code=error.code, message=error.message[:500], retry_after_s=error.retry_after_s)
            return Answer(ok=False, error=problem)
        except Exception:
            log.exception("A command ended in a fault of ours", extra={"topic": topic, "command": command.id})
            problem = Problem(code="internal", message="a fault of ours; the log has the details")
            return Answer(ok=False, error=problem)

    def _forget_old(self) -> None:
        for key in list(self._answers):
            if len(self._answers) <= self._repeats:
                break
            if self._answers[key].done():
                del self._answers[key]
