"""A message as handlers get it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """One PUBLISH that arrived. ``response_topic`` and ``correlation`` are MQTT 5 §3.3.2.3.5–6."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    response_topic: str | None = None
    correlation: bytes | None = None


def matches(topic_filter: str, topic: str) -> bool:
    """Return whether a topic is one of a filter's (MQTT 5 §4.7); topics that begin with ``$`` need it spelt out."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for n, level in enumerate(wanted):
        if level == "#":
            return True
        if n >= len(levels) or level not in ("+", levels[n]):
            return False
    return len(wanted) == len(levels)
