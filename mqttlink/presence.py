"""Birth and death: who is there, told on every way out.

MQTT's last will is published for a cut line only: a client that leaves with a DISCONNECT, as ours does when its body
raises or is cancelled, takes its will with it. So a death is a message that we publish ourselves, and the will says
``lost`` for us when we cannot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel

from protocol.messages import DeathReason


@dataclass(frozen=True, slots=True)
class Presence:
    """What a link says of itself on ``topic``, retained.

    ``birth`` gets the id of the connection (``sid``), new each time; ``death`` the same id and the reason, so that a
    late death of an old connection is known as such. ``will_delay_s``: how long the broker waits with the will for
    the same client to come back (needs a session that lives longer than that).
    """

    topic: str
    birth: Callable[[str], BaseModel]
    death: Callable[[str, DeathReason], BaseModel]
    will_delay_s: int = 0

    def birth_payload(self, sid: str) -> bytes:
        return self.birth(sid).model_dump_json().encode()

    def death_payload(self, sid: str, reason: DeathReason) -> bytes:
        return self.death(sid, reason).model_dump_json().encode()
