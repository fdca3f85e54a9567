"""Topics are built and parsed here and nowhere else. Base: ``estrade/v1/{territory}/{room}/…`` (MQTT 5).

| topic under the base | direction | QoS | retained | model |
| --- | --- | --- | --- | --- |
| ``status`` | room → | 1 | yes | `messages.RoomStatus` |
| ``state`` | room → | 1 | yes | `messages.RoomState` |
| ``health`` | room → | 0 | no | `messages.Health` |
| ``log`` | room → | 0 | no | `remote.LogLine`, while somebody asks for it |
| ``event/{kind}`` | room → | 1 | no | `messages.Event` |
| ``config`` | → room | 1 | yes | `messages.ConfigDocument` |
| ``cmd/{name}`` | → room | 1 | no | `messages.Command` → `messages.Answer` |
| ``req/{name}`` | room → | 1 | no | `messages.Command` → `messages.Answer` |

Answers to ``cmd`` go to ``estrade/v1/ctl/{instance}/reply/{room}``, answers to ``req`` to the room's
``cmd/reply.{name}``; ``estrade/v1/ctl/{instance}/status`` (retained) says whether a controller is there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

ROOT = "estrade/v1"
ID_PATTERN = r"^[a-z0-9](?:[a-z0-9-]{1,46}[a-z0-9])$"
"""A room, territory or instance id: 3 to 48 of a-z, 0-9 and -, not at the ends."""
_ID = re.compile(ID_PATTERN)
_NAME = re.compile(r"^[a-z0-9][a-z0-9.-]{0,63}$")


def check_id(value: str) -> str:
    """Return ``value`` if it is a legal id, else raise ValueError."""
    if not _ID.fullmatch(value):
        raise ValueError(
            f'"{value}" is not an id: 3 to 48 characters of a-z, 0-9 and "-", not starting or ending with "-"'
        )
    return value


@dataclass(frozen=True, slots=True)
class RoomTopics:
    """The topics of one room."""

    territory: str
    room: str

    def __post_init__(self) -> None:
        check_id(self.territory)
        if self.territory == "ctl":
            raise ValueError('"ctl" is no territory: controllers speak there')
        check_id(self.room)

    @property
    def base(self) -> str:
        return f"{ROOT}/{self.territory}/{self.room}"

    @property
    def status(self) -> str:
        return f"{self.base}/status"

    @property
    def state(self) -> str:
        return f"{self.base}/state"

    @property
    def health(self) -> str:
        return f"{self.base}/health"

    @property
    def log(self) -> str:
        return f"{self.base}/log"

    @property
    def config(self) -> str:
        return f"{self.base}/config"

    def event(self, kind: str) -> str:
        return f"{self.base}/event/{kind}"

    def cmd(self, name: str) -> str:
        return f"{self.base}/cmd/{name}"

    def req(self, name: str) -> str:
        return f"{self.base}/req/{name}"

    def reply(self, name: str) -> str:
        """Where the room hears the answer to its own request."""
        return f"{self.base}/cmd/reply.{name}"


def controller_status(instance: str) -> str:
    """Birth and death of a controller, retained."""
    return f"{ROOT}/ctl/{check_id(instance)}/status"


def controller_reply(instance: str, room: str) -> str:
    """Where a controller hears the answers of one room."""
    return f"{ROOT}/ctl/{check_id(instance)}/reply/{check_id(room)}"


CONTROLLER_STATUSES = f"{ROOT}/ctl/+/status"
ALL_STATUS = f"{ROOT}/+/+/status"
ALL_STATE = f"{ROOT}/+/+/state"
ALL_HEALTH = f"{ROOT}/+/+/health"
ALL_LOGS = f"{ROOT}/+/+/log"
ALL_EVENTS = f"{ROOT}/+/+/event/#"
ALL_REQUESTS = f"{ROOT}/+/+/req/#"


SHARED_GROUP = "estrade"
_SHARE = f"$share/{SHARED_GROUP}/"


def shared(topic_filter: str) -> str:
    """Return the filter by which controllers share what it fits: each message goes to one of them (MQTT 5 §4.8.2)."""
    return f"{_SHARE}{topic_filter}"


@dataclass(frozen=True, slots=True)
class RoomTopic:
    """A topic of a room, taken apart: ``kind`` is status, state, health, log, config, event, cmd or req."""

    territory: str
    room: str
    kind: str
    name: str = ""

    @property
    def topics(self) -> RoomTopics:
        return RoomTopics(self.territory, self.room)


_PLAIN = {"status", "state", "health", "log", "config"}
_NAMED = {"event", "cmd", "req"}


def parse(topic: str) -> RoomTopic:
    """Take a room's topic apart; raise ValueError for anything else."""
    levels = topic.split("/")
    if len(levels) in (5, 6) and levels[0] == "estrade" and levels[1] == "v1" and levels[2] != "ctl":
        territory, room, kind = check_id(levels[2]), check_id(levels[3]), levels[4]
        if len(levels) == 5 and kind in _PLAIN:
            return RoomTopic(territory, room, kind)
        if len(levels) == 6 and kind in _NAMED and _NAME.fullmatch(levels[5]):
            return RoomTopic(territory, room, kind, levels[5])
    raise ValueError(f'"{topic}" is not a topic of a room')
