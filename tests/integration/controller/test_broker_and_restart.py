"""What holds when controllers stand side by side, the broker goes, or the centre is started anew."""

from __future__ import annotations

import asyncio
import os
import signal
from functools import partial
from pathlib import Path

import pytest

from controller.accounts.passwords import hash_password
from controller.store.accounts import Account, Grant
from controller.store.rooms import RoomRecord
from controller.store.store import open_store
from mqttlink import Link, LinkSettings, Message
from protocol import topics
from protocol.errors import BrokerError, ConfigError
from protocol.lesson import LessonState
from protocol.messages import ControllerStatus, LessonEnded, LessonStarted, TimeAsked
from tests.broker import Broker, free_port
from tests.integration.controller.scripted import (
    OFFER,
    ROOM,
    SDP,
    TERRITORY,
    RunningCentre,
    ScriptedRoom,
    centre_config,
    now,
    register,
    running_centre,
    scripted_room,
)
from tests.waiting import until

HASH = hash_password("correct horse")


async def _with_admin(centre: RunningCentre) -> RunningCentre:
    async with open_store(centre.config.database) as store:
        await store.accounts.put(Account("admin", (Grant("admin"),), HASH), now=now())
    await centre.sign_in()
    return centre


async def _link_is(centre: RunningCentre, link: str) -> bool:
    return bool((await centre.room())["link"] == link)


async def test_two_controllers_side_by_side_both_work_and_neither_throws_the_other_out(
    tmp_path: Path, broker: Broker
) -> None:
    configs = [centre_config(tmp_path / name, broker, name) for name in ("centre-1", "centre-2")]
    for config in configs:
        await register(config)
    async with running_centre(configs[0]) as one, running_centre(configs[1]) as two, scripted_room(broker) as room:
        centres = [await _with_admin(one), await _with_admin(two)]
        await room.say_state(LessonState.IDLE)
        for centre in centres:
            await until(partial(_link_is, centre, "online"), "both see the room")
        for _ in range(3):
            answers = await asyncio.gather(*(c.http.post(f"/api/v1/rooms/{ROOM}/stop") for c in centres))
            assert [answer.status_code for answer in answers] == [200, 200]
        for centre in centres:
            assert (await centre.http.get("/readyz")).status_code == 200
        await room.say_fact("e-1", LessonStarted(lesson="l-1", origin="panel"))
        await until(lambda: len(room.commands_named("event.ack")) == 2, "both have stored it")
    assert "already connected" not in broker.log_text


async def test_the_centre_says_when_it_is_there_and_when_it_left(
    centre: RunningCentre, room: ScriptedRoom, broker: Broker
) -> None:
    heard: list[ControllerStatus] = []

    async def hear(message: object) -> None:
        heard.append(ControllerStatus.model_validate_json(message.payload))  # type: ignore[attr-defined]

    listener = Link(broker.room("0750001a-b99"))
    listener.on_message(topics.CONTROLLER_STATUSES, hear)
    async with listener.running():
        await until(lambda: heard, "the birth is heard")
        centre.task.cancel()
        await until(lambda: len(heard) > 1, "and the death")
    assert [(status.online, status.reason) for status in heard] == [(True, None), (False, "shutdown")]
    assert heard[0].sid == heard[1].sid


async def test_without_the_broker_rooms_are_unknown_and_offers_say_so(centre: RunningCentre, broker: Broker) -> None:
    await _with_admin(centre)
    async with scripted_room(broker) as room:
        await room.start()
        joined = await centre.join(code=(await room.access()).code)
        await until(lambda: _link_is(centre, "online"), "the room is online")
        broker.kill()
        await until(lambda: _link_is(centre, "unknown"), "the room is unknown")
        answer = await centre.http.post(
            joined["whep"], content=OFFER, headers=SDP | {"Authorization": f"Bearer {joined['token']}"}
        )
        assert (answer.status_code, answer.json()["code"]) == (503, "broker-unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        broker.start()

        async def is_answered() -> bool:
            headers = SDP | {"Authorization": f"Bearer {joined['token']}"}
            return (await centre.http.post(joined["whep"], content=OFFER, headers=headers)).status_code == 201

        await until(is_answered, "the same ticket is answered again")
        await until(lambda: len(room.configs) > 1, "the config is published again")


async def test_a_restart_keeps_codes_links_tickets_and_what_was_reported(tmp_path: Path, broker: Broker) -> None:
    config = centre_config(
        tmp_path / "centre", broker, http={"port": free_port(), "public_url": "https://estrade.example.org"}
    )
    await register(config)
    async with scripted_room(broker) as room:
        async with running_centre(config) as centre:
            lesson = await room.start()
            before = await room.access()
            joined = await centre.join(code=before.code)
            headers = SDP | {"Authorization": f"Bearer {joined['token']}"}

            async def is_answered() -> bool:
                return (await centre.http.post(joined["whep"], content=OFFER, headers=headers)).status_code == 201

            await until(is_answered, "a viewer is taken")
            viewer = room.commands_named("rtc.offer")[-1].args["viewer"]
        rev = room.configs[-1].rev
        async with running_centre(config) as centre:
            again = await centre.join(code=before.code)
            assert again["view"]["lesson"] == lesson
            assert (await centre.join(link=before.link.rsplit("/", 1)[1]))["view"]["lesson"] == lesson
            answer = await centre.http.delete(f"/whep/{ROOM}/{viewer}", headers=headers)
            assert answer.status_code == 200
            await until(lambda: len(room.configs) > 1, "the config came again")
            assert room.configs[-1].rev == rev
            assert room.configs[-1].config.access == before


async def test_a_lesson_that_began_and_ended_while_we_were_away_is_over(tmp_path: Path, broker: Broker) -> None:
    config = centre_config(tmp_path / "centre", broker)
    await register(config)
    async with scripted_room(broker) as room:
        async with running_centre(config) as centre:
            old = await room.access()
            await room.say_state(LessonState.IDLE)
        # the broker keeps this for the centre's own session, which was made above
        await room.say_fact("e-1", LessonEnded(lesson=old.lesson, reason="stop", duration_s=60, viewers_most=3))
        async with running_centre(config) as centre:
            await until(lambda: room.commands_named("event.ack"), "it is acknowledged")
            answer = await centre.http.post("/api/v1/join", json={"code": old.code})
            assert (answer.status_code, answer.json()["code"]) == (410, "lesson-ended")

            async def has_the_next() -> bool:
                return bool((await room.access()).lesson != old.lesson)

            await until(has_the_next, "the room has the next lesson")


async def test_a_room_added_while_the_centre_runs_is_taken_up_when_it_speaks(
    centre: RunningCentre, broker: Broker
) -> None:
    await _with_admin(centre)
    await register(centre.config, RoomRecord("0750001a-b13", TERRITORY, "Salle B13"))
    async with scripted_room(broker, "0750001a-b13") as room:
        await room.say_state(LessonState.IDLE)
        access = await room.access()
        assert (await centre.join(code=access.code))["view"]["room_name"] == "Salle B13"
        found = await centre.room("0750001a-b13")
        assert (found["link"], found["state"]) == ("online", "idle")


async def test_a_room_that_was_moved_to_another_territory_is_taken_up_there_at_a_reload(
    centre: RunningCentre, broker: Broker
) -> None:
    async with scripted_room(broker) as room:
        access = await room.access()
    await register(centre.config, RoomRecord(ROOM, "974", "Salle B12"))
    os.kill(os.getpid(), signal.SIGHUP)
    async with scripted_room(broker, ROOM, "974") as moved:
        assert await moved.access() == access
        await moved.start()

        async def is_open() -> bool:
            return bool((await centre.join(code=access.code))["view"]["phase"] == "open")

        await until(is_open, "its reports are heard")
    kept = await until(lambda: _kept_configs(broker), "nothing is left behind")
    assert kept == [topics.RoomTopics("974", ROOM).config]


async def _kept_configs(broker: Broker) -> list[str] | None:
    """Return the config topics that the broker keeps for the room, None while there are several."""
    heard: list[str] = []

    async def hear(message: Message) -> None:
        heard.append(message.topic)

    listener = Link(broker.room(ROOM))
    listener.on_message(f"{topics.ROOT}/+/{ROOM}/config", hear)
    own = topics.RoomTopics("974", ROOM)
    async with listener.running():
        await listener.wait_connected()
        # what is kept comes before the answer to anything that is asked later
        await listener.call(own.req("time"), TimeAsked(), reply_topic=own.reply("time"), timeout_s=5)
    return heard if len(heard) == 1 else None


async def test_a_room_under_another_territory_than_registered_is_not_heard(
    centre: RunningCentre, broker: Broker
) -> None:
    await _with_admin(centre)
    async with scripted_room(broker, ROOM, "974") as room:
        await room.say_state(LessonState.LIVE, "l-1")
        await room.say_health()
        await until(lambda: _is_dropped(centre), "it was dropped")
    assert await _link_is(centre, "unknown")


async def _is_dropped(centre: RunningCentre) -> bool:
    text = (await centre.http.get("/metrics", headers={"Authorization": "Bearer metrics-token"})).text
    return 'estrade_messages_dropped_total{kind="room"}' in text


async def test_the_access_list_holds_a_room_to_its_own_topics(broker: Broker) -> None:
    mine, other = topics.RoomTopics(TERRITORY, ROOM), topics.RoomTopics(TERRITORY, "0750001a-b13")
    heard: list[str] = []

    async def hear(message: object) -> None:
        heard.append(message.topic)  # type: ignore[attr-defined]

    spy = Link(broker.room(ROOM))
    spy.on_message("#", hear)
    controller = Link(broker.controller("centre-1"))
    async with spy.running(), controller.running():
        async with asyncio.timeout(10):
            await spy.wait_connected()
            await controller.wait_connected()
        await spy.publish(mine.status, b"{}")
        for topic in (
            other.status, other.event("x"), mine.config, mine.cmd("lesson.stop"), topics.controller_status("centre-1"),
            topics.controller_reply("centre-1", "0750001a-b13"),
        ):  # fmt: skip
            with pytest.raises(BrokerError) as caught:
                await spy.publish(topic, b"{}")
            assert caught.value.code == "broker-refused", topic
        for topic in (other.config, other.cmd("lesson.stop"), other.state, mine.config):
            await controller.publish(topic, b"{}")
        await until(lambda: mine.config in heard, "its own config is heard")
    assert heard == [mine.config]


async def test_a_revoked_room_is_not_let_in_again(broker: Broker) -> None:
    settings = broker.room("0750001a-b77")
    assert broker.authority is not None
    async with Link(settings).running() as link:
        async with asyncio.timeout(10):
            await link.wait_connected()
    assert broker.authority.revoke("0750001a-b77") == 1
    broker.reload_rights()
    error = await until(lambda: _refusal(settings), "it is refused")
    assert error.code == "broker-certificate"
    async with Link(broker.room("0750001a-b78")).running() as other:
        async with asyncio.timeout(10):
            await other.wait_connected()


async def _refusal(settings: LinkSettings) -> BrokerError | None:
    """Return why a new connection is refused, None when it is taken: mosquitto reads the list in its own time."""
    link = Link(settings)
    async with link.running():
        await until(lambda: link.is_connected or link.last_error, "the connection is taken or not")
        return link.last_error


async def test_a_port_that_is_taken_is_one_sentence(centre: RunningCentre, tmp_path: Path, broker: Broker) -> None:
    port = int(centre.url.rsplit(":", 1)[1])
    config = centre_config(tmp_path / "other", broker, "centre-2", http={"port": port})
    with pytest.raises(ConfigError) as caught:
        async with running_centre(config):
            pass
    assert caught.value.code == "port-taken"
    assert str(port) in caught.value.message
    assert (await centre.http.get("/healthz")).status_code == 200
