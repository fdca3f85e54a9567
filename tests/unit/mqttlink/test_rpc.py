"""Request and response, without a broker: one side's publish is the other side's message."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from mqttlink.centre_clock import CentreClock
from mqttlink.message import Message
from mqttlink.rpc import NO_LISTENER, Calls, Served
from protocol.errors import BrokerError, CommandError, DeviceBusyError
from protocol.messages import Command, TimeAsked

TOPIC, REPLY = "estrade/v1/075/room-a/cmd/rtc.offer", "estrade/v1/ctl/c-1/reply/room-a"
NOW = 1_800_000_000.0


class Answers:
    """Takes what `Served` publishes."""

    def __init__(self) -> None:
        self.all: list[dict[str, Any]] = []

    async def publish(self, topic: str, payload: bytes, **rest: Any) -> int:
        self.all.append(json.loads(payload))
        return 0


def command(command_id: str = "one", deadline: float = NOW + 5) -> Message:
    payload = Command(id=command_id, deadline=deadline, args={"n": 1}).model_dump_json().encode()
    return Message(TOPIC, payload, 1, False, REPLY, b"correlation")


def clock() -> CentreClock:
    return CentreClock.own(mono=lambda: 0.0, wall=lambda: NOW)


async def test_a_repeated_id_is_answered_alike_and_done_once() -> None:
    done = 0

    async def handler(topic: str, received: Command) -> dict[str, Any]:
        nonlocal done
        done += 1
        return {"done": done}

    answers = Answers()
    served = Served(handler, answers.publish, clock())
    for _ in range(3):
        await served.handle(command())
    assert done == 1
    assert [answer["result"] for answer in answers.all] == [{"done": 1}] * 3


async def test_a_repeated_id_waits_for_the_first_that_still_runs() -> None:
    gate, begun = asyncio.Event(), 0

    async def handler(topic: str, received: Command) -> dict[str, Any]:
        nonlocal begun
        begun += 1
        await gate.wait()
        return {"begun": begun}

    answers = Answers()
    served = Served(handler, answers.publish, clock())
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(served.handle(command()))
        group.create_task(served.handle(command()))
        await asyncio.sleep(0)
        assert answers.all == []
        gate.set()
    assert begun == 1
    assert [answer["result"] for answer in answers.all] == [{"begun": 1}] * 2


async def test_an_id_forgotten_after_many_others_is_done_again_but_never_one_that_runs() -> None:
    gate = asyncio.Event()
    seen: list[str] = []

    async def handler(topic: str, received: Command) -> dict[str, Any]:
        seen.append(received.id)
        if received.id == "running":
            await gate.wait()
        return {}

    served = Served(handler, Answers().publish, clock(), repeats=2)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(served.handle(command("running")))
        await asyncio.sleep(0)
        for command_id in ("a", "b", "c", "a"):
            await served.handle(command(command_id))
        group.create_task(served.handle(command("running")))
        await asyncio.sleep(0)
        gate.set()
    assert seen == ["running", "a", "b", "c", "a"]


async def test_a_late_command_is_refused_and_not_done() -> None:
    async def handler(topic: str, received: Command) -> dict[str, Any]:
        raise AssertionError("done although late")

    answers = Answers()
    await Served(handler, answers.publish, clock()).handle(command(deadline=NOW - 0.1))
    assert answers.all[0]["error"]["code"] == "command-late"


async def test_a_command_that_only_seemed_late_is_done_once_however_often_it_came() -> None:
    done = 0

    async def handler(topic: str, received: Command) -> dict[str, Any]:
        nonlocal done
        done += 1
        return {"done": done}

    times = [NOW + 3600, NOW]  # the centre's date was put right between the two
    room_clock, is_answered = CentreClock(mono=lambda: 0.0), asyncio.Event()

    async def ask() -> float:
        await asyncio.sleep(0)
        is_answered.set()
        return times.pop(0)

    answers = Answers()
    served = Served(handler, answers.publish, room_clock)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        following = group.create_task(room_clock.follow(ask, asyncio.Event()))
        await is_answered.wait()
        await asyncio.gather(*(served.handle(command()) for _ in range(3)))
        following.cancel()
    assert done == 1
    assert [answer["result"] for answer in answers.all] == [{"done": 1}] * 3
    assert times == []


async def test_an_error_keeps_its_code_and_a_fault_is_internal(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(topic: str, received: Command) -> dict[str, Any]:
        if received.id == "busy":
            raise DeviceBusyError("the camera is busy")
        raise KeyError("a detail of our inside")

    answers = Answers()
    served = Served(handler, answers.publish, clock())
    await served.handle(command("busy"))
    await served.handle(command("fault"))
    assert [answer["error"]["code"] for answer in answers.all] == ["device-busy", "internal"]
    assert "KeyError" in caplog.text
    assert "detail of our inside" not in json.dumps(answers.all)


async def test_an_envelope_of_another_form_is_answered_so() -> None:
    async def handler(topic: str, received: Command) -> dict[str, Any]:
        return {}

    answers = Answers()
    await Served(handler, answers.publish, clock()).handle(Message(TOPIC, b"{}", 1, False, REPLY, b"c"))
    assert answers.all[0]["error"]["code"] == "args-invalid"


async def test_a_line_that_goes_before_the_answer_harms_nobody() -> None:
    async def handler(topic: str, received: Command) -> dict[str, Any]:
        return {}

    async def publish(topic: str, payload: bytes, **rest: Any) -> int:
        raise BrokerError("gone")

    await Served(handler, publish, clock()).handle(command())


class Wire:
    """Publishes into the caller's own ears: ``answer`` says what comes back."""

    def __init__(self, *, reason: int = 0) -> None:
        self.sent: list[Command] = []
        self.calls = Calls(self.publish, clock())
        self.reason = reason
        self.answer: bytes | None = b'{"ok": true, "result": {"n": 1}}'
        self.answer_topic = REPLY

    async def publish(self, topic: str, payload: bytes, *, correlation: bytes | None = None, **rest: Any) -> int:
        self.sent.append(Command.model_validate_json(payload))
        if self.answer is not None:
            self.calls.take(Message(self.answer_topic, self.answer, 1, False, None, correlation))
        return self.reason

    async def call(self, timeout_s: float = 5) -> dict[str, Any]:
        return await self.calls.call(TOPIC, TimeAsked(), reply_topic=REPLY, timeout_s=timeout_s)


async def test_a_call_returns_the_result_and_carries_its_deadline() -> None:
    wire = Wire()
    assert await wire.call(timeout_s=5) == {"n": 1}
    assert wire.sent[0].deadline == NOW + 5


async def test_a_call_raises_the_code_that_the_other_side_gave() -> None:
    wire = Wire()
    wire.answer = b'{"ok": false, "error": {"code": "viewer-limit", "message": "full", "retry_after_s": 3}}'
    with pytest.raises(CommandError) as caught:
        await wire.call()
    assert (caught.value.code, caught.value.message) == ("viewer-limit", "full")
    assert caught.value.retryable
    assert caught.value.retry_after_s == 3


async def test_a_call_without_an_answer_ends_at_its_time() -> None:
    wire = Wire()
    wire.answer = None
    with pytest.raises(CommandError) as caught:
        await wire.call(timeout_s=0.01)
    assert caught.value.code == "room-timeout"
    assert caught.value.retryable


async def test_a_call_that_nobody_hears_ends_at_once() -> None:
    wire = Wire(reason=NO_LISTENER)
    wire.answer = None
    with pytest.raises(CommandError) as caught:
        await wire.call()
    assert caught.value.code == "room-offline"


async def test_one_room_cannot_answer_for_another() -> None:
    wire = Wire()
    wire.answer_topic = "estrade/v1/ctl/c-1/reply/room-b"
    with pytest.raises(CommandError) as caught:
        await wire.call(timeout_s=0.01)
    assert caught.value.code == "room-timeout"


async def test_an_answer_of_another_form_is_an_error() -> None:
    wire = Wire()
    wire.answer = b"[]"
    with pytest.raises(CommandError) as caught:
        await wire.call()
    assert caught.value.code == "command-failed"
