"""Calendars as schools' programs write them, for tests."""

from __future__ import annotations


def calendar(*events: str, head: str = "") -> bytes:
    """Return a calendar with these events, each given as its lines, and ``head`` before them."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//", *head.splitlines()]
    for event in events:
        lines += ["BEGIN:VEVENT", *event.splitlines(), "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


def lesson(uid: str = "1", begins: str = "20261201T080000", *more: str) -> str:
    """Return an event of 55 minutes, Paris time."""
    return "\n".join([f"UID:{uid}", f"DTSTART;TZID=Europe/Paris:{begins}", "DURATION:PT55M", "SUMMARY:Maths", *more])
