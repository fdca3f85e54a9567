"""What a link says and hears through a real mosquitto with TLS, certificates and rights."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from paho.mqtt.packettypes import PacketTypes

from controller.pki import CertificateAuthority
from mqttlink import CentreClock, Link, LinkSettings, Message
from mqttlink.connection import Connection, packet_bytes, properties
from protocol import topics
from protocol.errors import BrokerError, CommandError
from protocol.messages import Command, LessonStop, TimeTold
from protocol.topics import RoomTopics
from tests.broker import MOST_PACKET_BYTES, Broker, free_port
from tests.integration.mqttlink.conftest import WAIT_S, History, presence
from tests.waiting import until

ROOM = RoomTopics("075", "room-a")
OTHER = RoomTopics("075", "room-b")
REPLY = topics.controller_reply("c-1", "room-a")
STOP = LessonStop(actor="it")


async def echo(topic: str, command: Command) -> dict[str, Any]:
    return {"topic": topic, **command.args}


def make_room(broker: Broker, handler: Callable[[str, Command], Any] = echo, **more: Any) -> Link:
    link = Link(broker.room("room-a"), **more)
    link.serve(f"{ROOM.base}/cmd/#", handler)
    return link


def resumed_room(settings: LinkSettings, handler: Callable[[str, Command], Any] = echo) -> Link:
    room = Link(settings, presence(ROOM.status))
    room.serve(ROOM.cmd("+"), handler)
    return room


def make_controller(broker: Broker) -> Link:
    link = Link(broker.controller("c-1"))
    link.expect_replies(topics.controller_reply("c-1", "room-a").replace("room-a", "+"))
    return link


async def call(link: Link, *, timeout_s: float = 5.0, reply: str = REPLY) -> dict[str, Any]:
    return await link.call(ROOM.cmd("lesson.stop"), STOP, reply_topic=reply, timeout_s=timeout_s)


# --- requests -------------------------------------------------------------------------------------------------------


async def test_a_command_goes_there_and_back_without_waiting_for_delayed_acks(broker: Broker) -> None:
    room, controller = make_room(broker), make_controller(broker)
    took_ms: list[float] = []
    async with asyncio.timeout(WAIT_S), room.running(), controller.running():
        await room.wait_connected()
        await controller.wait_connected()
        for _ in range(50):
            began = time.perf_counter()
            result = await call(controller)
            took_ms.append((time.perf_counter() - began) * 1000)
    assert result == {"topic": ROOM.cmd("lesson.stop"), "actor": "it"}
    # Nagle's algorithm on either end costs 44 ms, on both 88 ms.
    assert statistics.median(took_ms) < 20


async def test_a_reply_topic_that_was_not_announced_is_subscribed_to(broker: Broker) -> None:
    room, controller = make_room(broker), Link(broker.controller("c-1"))
    async with asyncio.timeout(WAIT_S), room.running(), controller.running():
        await room.wait_connected()
        await controller.wait_connected()
        assert (await call(controller))["actor"] == "it"


async def test_a_room_that_nobody_runs_is_offline_at_once(broker: Broker) -> None:
    controller = make_controller(broker)
    async with asyncio.timeout(WAIT_S), controller.running():
        await controller.wait_connected()
        with pytest.raises(CommandError) as caught:
            await call(controller, timeout_s=60)
    assert caught.value.code == "room-offline"


async def test_a_room_that_says_nothing_times_out_and_its_late_answer_harms_nobody(broker: Broker) -> None:
    gate = asyncio.Event()

    async def slow(topic: str, command: Command) -> dict[str, Any]:
        await gate.wait()
        return {}

    room, controller = make_room(broker, slow), make_controller(broker)
    async with asyncio.timeout(WAIT_S), room.running(), controller.running():
        await room.wait_connected()
        await controller.wait_connected()
        with pytest.raises(CommandError) as caught:
            await call(controller, timeout_s=0.3)
        assert caught.value.code == "room-timeout"
        gate.set()
        assert await call(controller) == {}


async def test_slow_commands_do_not_hold_up_others(broker: Broker) -> None:
    together = asyncio.Barrier(5)

    async def slow(topic: str, command: Command) -> dict[str, Any]:
        await together.wait()  # never passes unless five are carried out at once
        return {}

    room, controller = make_room(broker, slow), make_controller(broker)
    async with asyncio.timeout(WAIT_S), room.running(), controller.running():
        await room.wait_connected()
        await controller.wait_connected()
        await asyncio.gather(*(call(controller) for _ in range(5)))


@pytest.mark.parametrize("offers", [30, 100])
async def test_offers_that_wait_for_a_dead_relay_hold_up_nothing_else(broker: Broker, offers: int) -> None:
    """30 are more than the broker sends unacknowledged, 100 more than are carried out at once."""
    gate, is_heard = asyncio.Event(), asyncio.Event()
    begun: list[str] = []

    async def handler(topic: str, command: Command) -> dict[str, Any]:
        begun.append(topic)
        if topic == ROOM.cmd("rtc.offer"):
            await gate.wait()
        return {}

    async def hear(message: Message) -> None:
        is_heard.set()

    room = Link(replace(broker.room("room-a"), receive_maximum=20))
    room.serve(ROOM.cmd("+"), handler)
    room.on_message(ROOM.config, hear)
    controller = make_controller(broker)
    async with asyncio.timeout(WAIT_S), room.running(), controller.running(), asyncio.TaskGroup() as group:
        await room.wait_connected()
        await controller.wait_connected()
        waiting = [
            group.create_task(controller.call(ROOM.cmd("rtc.offer"), STOP, reply_topic=REPLY, timeout_s=WAIT_S))
            for _ in range(offers)
        ]
        await until(lambda: len(begun) >= 20)
        assert await call(controller, timeout_s=2.0) == {}
        await controller.publish(ROOM.config, b"{}")
        await is_heard.wait()
        assert not any(task.done() for task in waiting)
        gate.set()
    assert [task.result() for task in waiting] == [{}] * offers


async def test_an_offer_waits_for_a_room_that_is_away_and_is_answered(broker: Broker) -> None:
    settings = replace(broker.room("room-a"), clean_start=False, session_expiry_s=60)
    controller = make_controller(broker)
    async with asyncio.timeout(WAIT_S), controller.running(), asyncio.TaskGroup() as group:
        await controller.wait_connected()
        async with resumed_room(settings).running() as room:
            await room.wait_connected()
        offer = group.create_task(call(controller, timeout_s=WAIT_S))
        await asyncio.sleep(0)
        await controller.publish(OTHER.config, b"{}")  # acknowledged after the offer
        async with resumed_room(settings).running():
            assert (await offer)["actor"] == "it"


async def test_an_offer_that_comes_while_the_room_says_goodbye_waits_for_its_return(broker: Broker) -> None:
    never = asyncio.Event()

    async def stuck(topic: str, command: Command) -> dict[str, Any]:
        await never.wait()
        return {}

    settings = replace(broker.room("room-a"), clean_start=False, session_expiry_s=60)
    controller = make_controller(broker)
    async with asyncio.timeout(WAIT_S), controller.running(), asyncio.TaskGroup() as group:
        await controller.wait_connected()
        room = resumed_room(settings, stuck)
        life = group.create_task(room.run())
        await room.wait_connected()
        broker.freeze()  # it will hear what is written now in this order
        offer = group.create_task(call(controller, timeout_s=WAIT_S))
        await asyncio.sleep(0)
        life.cancel()
        await until(lambda: not room.is_connected)
        broker.thaw()
        await asyncio.wait({life})
        async with resumed_room(settings).running():
            assert (await offer)["actor"] == "it"


async def test_a_room_learns_the_centres_time_and_then_refuses_what_is_late(broker: Broker) -> None:
    centre_s = 1_900_000_000.0

    async def tell(topic: str, command: Command) -> dict[str, Any]:
        assert topic == ROOM.req("time")
        return TimeTold(now=centre_s).model_dump()

    clock = CentreClock()
    room = make_room(broker, clock=clock)
    controller = Link(broker.controller("c-1"), clock=CentreClock.own(wall=lambda: centre_s))
    controller.serve(topics.ALL_REQUESTS, tell)
    late = Link(broker.controller("c-2"), clock=CentreClock.own(wall=lambda: centre_s - 3600))
    async with asyncio.timeout(WAIT_S), room.running(), controller.running(), late.running():
        await asyncio.gather(room.wait_connected(), controller.wait_connected(), late.wait_connected())
        late_reply = topics.controller_reply("c-2", "room-a")
        assert await call(late, reply=late_reply), "before the first answer nothing is refused"
        async with asyncio.TaskGroup() as group:
            following = group.create_task(room.follow_clock(ROOM.req("time"), ROOM.reply("time")))
            await until(lambda: clock.is_known)
            following.cancel()
        with pytest.raises(CommandError) as caught:
            await call(late, reply=late_reply)
        assert caught.value.code == "command-late"
        assert await call(controller)


async def test_a_centre_that_comes_back_with_an_earlier_date_is_asked_before_it_is_refused(broker: Broker) -> None:
    centre_s = 1_900_000_000.0
    clock = CentreClock()
    room = make_room(broker, clock=clock)
    asked = 0

    def centre(date_s: float) -> Link:
        link = Link(broker.controller("c-1"), clock=CentreClock.own(wall=lambda: date_s))

        async def tell(topic: str, command: Command) -> dict[str, Any]:
            nonlocal asked
            asked += 1
            return TimeTold(now=link.clock.deadline(0.0)).model_dump()

        link.serve(topics.ALL_REQUESTS, tell)
        return link

    async with asyncio.timeout(WAIT_S), room.running(), asyncio.TaskGroup() as group:
        async with centre(centre_s).running() as controller:
            await asyncio.gather(room.wait_connected(), controller.wait_connected())
            following = group.create_task(room.follow_clock(ROOM.req("time"), ROOM.reply("time")))
            await until(lambda: clock.is_known)
        async with centre(centre_s - 3600).running() as controller:
            await controller.wait_connected()
            assert (await call(controller))["actor"] == "it"
            assert asked == 2
            late = Link(broker.controller("c-2"), clock=CentreClock.own(wall=lambda: centre_s - 7200))
            async with late.running():
                await late.wait_connected()
                with pytest.raises(CommandError) as caught:
                    await call(late, reply=topics.controller_reply("c-2", "room-a"))
            assert caught.value.code == "command-late"
            assert asked == 2, "asked only a moment ago"
            following.cancel()


async def test_an_answer_that_is_no_time_is_told_and_asked_for_again(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    answers: list[dict[str, Any]] = [{}, {"now": "soon"}, {"now": 1_900_000_000.0}]

    async def tell(topic: str, command: Command) -> dict[str, Any]:
        return answers.pop(0)

    clock = CentreClock(ask_again_s=0.02)
    room, controller = Link(broker.room("room-a"), clock=clock), Link(broker.controller("c-1"))
    controller.serve(topics.ALL_REQUESTS, tell)
    async with asyncio.timeout(WAIT_S), controller.running(), room.running(), asyncio.TaskGroup() as group:
        await controller.wait_connected()
        following = group.create_task(room.follow_clock(ROOM.req("time"), ROOM.reply("time")))
        await until(lambda: clock.is_known)
        following.cancel()
    told = [record for record in caplog.records if record.message == "The centre's time was not told"]
    assert [record.levelname for record in told] == ["WARNING"]
    assert "is not a time" in vars(told[0])["reason"]


# --- rights ---------------------------------------------------------------------------------------------------------


async def test_a_room_cannot_write_another_rooms_topic_and_is_told_so(broker: Broker) -> None:
    room = Link(broker.room("room-a"))
    async with History(broker.controller("c-1"), f"{topics.ROOT}/#") as history, room.running():
        await room.wait_connected()
        for topic in (OTHER.status, ROOM.cmd("lesson.stop"), ROOM.config, topics.controller_reply("c-1", "room-b")):
            with pytest.raises(BrokerError) as caught:
                await room.publish(topic, b"{}")
            assert caught.value.code == "broker-refused"
            assert topic in caught.value.message
        await room.publish(ROOM.event("lesson.started"), b"mine")
        assert await history.until(bool) == ["mine"]


async def test_a_message_larger_than_the_broker_takes_does_not_cost_the_connection(broker: Broker) -> None:
    topic = ROOM.event("lesson.started")
    around = packet_bytes(topic, b"x" * MOST_PACKET_BYTES, 1, properties(PacketTypes.PUBLISH)) - MOST_PACKET_BYTES
    most = MOST_PACKET_BYTES - around
    room = Link(broker.room("room-a"))
    async with History(broker.controller("c-1"), f"{topics.ROOT}/#") as history, room.running():
        await room.wait_connected()
        sid = room.sid
        for size in (most + 1, 10 * most):
            with pytest.raises(BrokerError) as caught:
                await room.publish(topic, b"x" * size)
            assert (caught.value.code, caught.value.retryable) == ("message-too-large", False)
            assert str(MOST_PACKET_BYTES) in caught.value.message
        await room.publish(topic, b"x" * most)
        assert [len(word) for word in await history.until(bool)] == [most]
        assert room.sid == sid
    assert "too large" not in broker.log_text


async def test_a_room_hears_only_what_is_said_to_it(broker: Broker) -> None:
    heard: list[str] = []
    is_over = asyncio.Event()

    async def handler(message: Message) -> None:
        heard.append(message.topic)
        if message.payload == b"over":
            is_over.set()

    room = Link(broker.room("room-a"))
    room.on_message("#", handler)
    controller = Link(broker.controller("c-1"))
    async with asyncio.timeout(WAIT_S), room.running(), controller.running():
        await room.wait_connected()
        await controller.wait_connected()
        await controller.publish(OTHER.config, b"not for you")
        await controller.publish(OTHER.cmd("lesson.stop"), b"nor this")
        await controller.publish(ROOM.config, b"over")
        await is_over.wait()
    assert heard == [ROOM.config]


async def test_two_controllers_side_by_side_keep_all_their_connections(broker: Broker) -> None:
    settings = [broker.controller(instance, purpose) for instance in ("c-1", "c-2") for purpose in ("rpc", "events")]
    links = [Link(each) for each in settings]
    lost: list[str] = []
    for link in links:
        link.on_lost(lambda client_id=link.settings.client_id: lost.append(client_id))  # type: ignore[misc]
    async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
        running = [group.create_task(link.run()) for link in links]
        await asyncio.gather(*(link.wait_connected() for link in links))
        for n, link in enumerate(links):
            await link.publish(topics.controller_status(f"c-{1 + n // 2}"), b"{}", retain=True)
        assert lost == []
        for task in running:
            task.cancel()


# --- refusals and failures ------------------------------------------------------------------------------------------


async def refusal(settings: LinkSettings) -> BrokerError:
    connection = Connection(settings, lambda message, acknowledge: None)
    with pytest.raises(BrokerError) as caught:
        await connection.open()
    return caught.value


async def test_why_there_is_no_connection_is_told_apart(
    broker: Broker, tmp_path: Any, authority: CertificateAuthority
) -> None:
    foreign = CertificateAuthority.create(tmp_path / "foreign")
    theirs, ours = foreign.room("room-a"), broker.room("room-a")
    began = time.monotonic()
    refused = await refusal(replace(ours, cert_file=theirs.cert, key_file=theirs.key))
    assert (refused.code, "refuses the TLS" in refused.message) == ("broker-certificate", True)
    untrusted = await refusal(replace(ours, ca_file=foreign.ca_path))
    assert (untrusted.code, "is not trusted" in untrusted.message) == ("broker-certificate", True)
    unreadable = await refusal(replace(ours, cert_file=tmp_path / "none.pem"))
    assert (unreadable.code, "none.pem" in unreadable.message) == ("broker-certificate", True)
    unreachable = await refusal(replace(ours, port=free_port()))
    assert (unreachable.code, "cannot be reached" in unreachable.message) == ("broker-unavailable", True)
    unknown = await refusal(replace(ours, host="no-such-broker.invalid"))
    assert unknown.code == "broker-unavailable"
    assert time.monotonic() - began < 8, "a refusal waited for a time-out"
    broker.freeze()
    silent = await refusal(replace(ours, connect_timeout_s=0.5))
    broker.thaw()
    assert silent.code == "broker-unavailable"


async def test_a_name_that_no_resolver_takes_is_a_broker_that_cannot_be_reached(broker: Broker) -> None:
    unreachable = await refusal(replace(broker.room("room-a"), host="centre..example"))
    assert (unreachable.code, "cannot be reached" in unreachable.message) == ("broker-unavailable", True)


async def test_a_process_with_more_than_1024_descriptors_connects(broker: Broker) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        async with asyncio.timeout(WAIT_S), Link(broker.room("room-a")).running() as link:
            await link.wait_connected()
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_user_that_the_broker_does_not_admit_is_told_so(tmp_path: Any) -> None:
    broker = Broker(tmp_path / "closed", extra="password_file /dev/null\nallow_anonymous false\n")
    broker.start()
    try:
        refused = await refusal(broker.room("room-a"))
    finally:
        broker.stop()
    assert refused.code == "broker-not-authorised"


async def test_publishing_without_a_connection_says_why_there_is_none(plain_broker: Broker) -> None:
    link = Link(replace(plain_broker.room("room-a"), port=free_port(), most_backoff_s=0.05))
    async with asyncio.timeout(WAIT_S), link.running():
        await until(lambda: link.last_error is not None)
        with pytest.raises(BrokerError) as caught:
            await link.publish("a", b"")
    assert caught.value.code == "broker-unavailable"
    assert "cannot be reached" in caught.value.message
    assert caught.value.retryable


async def test_a_loss_warns_once_and_the_return_informs(plain_broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "mqttlink.link")
    link = Link(replace(plain_broker.room("room-a"), first_backoff_s=0.02, most_backoff_s=0.02))
    async with asyncio.timeout(WAIT_S), link.running():
        await link.wait_connected()
        plain_broker.kill()
        await until(lambda: sum("No connection" in record.message for record in caplog.records) >= 4)
        plain_broker.start()
        await link.wait_connected()
    levels = [(record.levelname, record.message) for record in caplog.records if record.name == "mqttlink.link"]
    assert levels[0] == ("INFO", "Connected to the broker")
    assert levels[1] == ("WARNING", "No connection to the broker")
    assert set(levels[2:-1]) == {("DEBUG", "No connection to the broker")}
    assert levels[-1] == ("INFO", "Connected to the broker again")


async def test_a_broker_that_dies_under_traffic_leaves_no_noise_on_the_loop(plain_broker: Broker) -> None:
    noise: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: noise.append(context))
    link = Link(replace(plain_broker.room("room-a"), first_backoff_s=0.02, most_backoff_s=0.02))
    codes: set[str] = set()

    async def talk() -> None:
        while True:
            try:
                await link.publish("talk", b"x" * 10_000)
            except BrokerError as error:
                codes.add(error.code)
                await asyncio.sleep(0.005)

    async with asyncio.timeout(WAIT_S), link.running(), asyncio.TaskGroup() as group:
        await link.wait_connected()
        talkers = [group.create_task(talk()) for _ in range(5)]
        for _ in range(3):
            plain_broker.kill()
            await until(lambda: not link.is_connected)
            plain_broker.start()
            await link.wait_connected()
        for talker in talkers:
            talker.cancel()
    assert codes == {"broker-unavailable"}
    assert noise == []


async def test_an_attempt_that_is_given_up_leaves_no_ghost_behind(plain_broker: Broker) -> None:
    topic = "estrade/v1/075/room-a/status"
    async with History(plain_broker.room("ear"), topic) as history:
        for _ in range(5):
            async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
                task = group.create_task(Link(plain_broker.room("room-a"), presence(topic)).run())
                await asyncio.sleep(0.001)  # connecting, somewhere
                task.cancel()
        async with Link(plain_broker.room("room-a"), presence(topic)).running() as link:
            await link.wait_connected()
            sid = link.sid
        await history.until(lambda words: words[-1:] == ["shutdown"])
        assert history.sids[-2:] == [sid, sid]
        assert len(history.words) <= 12


# --- what must not be lost ------------------------------------------------------------------------------------------


def durable(broker: Broker, **more: Any) -> LinkSettings:
    return replace(broker.controller("c-1", "events"), clean_start=False, session_expiry_s=60, **more)


async def test_an_event_whose_handler_failed_is_handled_again(broker: Broker) -> None:
    seen: list[bytes] = []
    is_over = asyncio.Event()

    async def handler(message: Message) -> None:
        seen.append(message.payload)
        if len(seen) == 1:
            raise OSError("the database is locked")
        if message.payload == b"2":
            is_over.set()

    keeper, room = Link(durable(broker)), Link(broker.room("room-a"))
    keeper.on_message(topics.ALL_EVENTS, handler, manual_ack=True)
    async with asyncio.timeout(WAIT_S), keeper.running(), room.running():
        await keeper.wait_connected()
        await room.wait_connected()
        await room.publish(ROOM.event("lesson.started"), b"1")
        await room.publish(ROOM.event("lesson.started"), b"2")
        await is_over.wait()
    assert seen == [b"1", b"1", b"2"]


async def test_events_that_were_not_handled_when_the_process_died_come_again(broker: Broker) -> None:
    never = asyncio.Event()
    first_got: list[bytes] = []
    is_busy = asyncio.Event()

    async def stuck(message: Message) -> None:
        first_got.append(message.payload)
        is_busy.set()
        await never.wait()

    sent = [f"{n}".encode() for n in range(20)]
    room = Link(broker.room("room-a"))
    async with asyncio.timeout(WAIT_S), room.running():
        await room.wait_connected()
        first = Link(durable(broker, receive_maximum=5))
        first.on_message(topics.ALL_EVENTS, stuck, manual_ack=True)
        async with first.running():
            await first.wait_connected()
            for payload in sent:
                await room.publish(ROOM.event("device.lost"), payload)
            await is_busy.wait()
        got: list[bytes] = []
        is_over = asyncio.Event()

        async def handler(message: Message) -> None:
            got.append(message.payload)
            if message.payload == sent[-1]:
                is_over.set()

        second = Link(durable(broker, receive_maximum=5))
        second.on_message(topics.ALL_EVENTS, handler, manual_ack=True)
        async with second.running():
            await is_over.wait()
    assert first_got == sent[:1]
    assert got == sent


async def test_the_broker_holds_back_what_is_not_acknowledged(plain_broker: Broker) -> None:
    """Without it a slow store would pile messages up in our memory."""
    held: list[Callable[[], None]] = []
    got: list[bytes] = []
    changed = asyncio.Event()

    def received(message: Message, acknowledge: Callable[[], None]) -> None:
        got.append(message.payload)
        held.append(acknowledge)
        changed.set()

    ear = Connection(replace(plain_broker.room("ear"), receive_maximum=3), received)
    await ear.open()
    await ear.subscribe([("a", 1)])
    async with asyncio.timeout(WAIT_S), Link(plain_broker.room("mouth")).running() as mouth:
        await mouth.wait_connected()
        for n in range(10):
            await mouth.publish("a", str(n).encode())
        assert len(got) <= 3
        while len(got) < 10:
            await changed.wait()
            changed.clear()
            while held:
                held.pop(0)()
    await ear.leave(None)
    assert got == [str(n).encode() for n in range(10)]
