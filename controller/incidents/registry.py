"""Every room, school and territory that can have incidents, and of which of them something is new."""

from __future__ import annotations

from controller.incidents.causes import BROKER
from controller.incidents.decisions import Decision, Key
from controller.incidents.lesson_calendar import Urgency
from controller.incidents.subjects import Condition, Room, Site, Subject

CENTRE = "centre"


class Registry:
    """What the judge and its parts share: subjects, those that are to be looked at, and decisions of this turn."""

    def __init__(self) -> None:
        self.rooms: dict[str, Room] = {}
        self.schools: dict[str, Site] = {}
        self.territories: dict[str, Site] = {}
        self.centre = Subject("centre", CENTRE)
        self.news: set[Subject] = set()
        self.decisions: list[Decision] = []

    def add(self, room: str, school: str, territory: str) -> Room:
        """Register a room that is not, or put it where it belongs now."""
        of_school = self.schools.get(school)
        if of_school is None:
            of_school = self.schools[school] = Site("school", school)
        of_territory = self.territories.get(territory)
        if of_territory is None:
            of_territory = self.territories[territory] = Site("territory", territory)
        known = self.rooms.get(room)
        if known is None:
            known = self.rooms[room] = Room(room, of_school, territory)
        known.school, known.territory = of_school, territory
        of_school.rooms[room] = of_territory.rooms[room] = known
        self.news.add(known)
        return known

    def sites(self, room: Room) -> tuple[Site, Site]:
        """Return the room's territory and school: the larger is asked first."""
        return self.territories[room.territory], room.school

    def find(self, key: Key) -> Subject | None:
        """Return what an incident is of; None when that is not registered."""
        if key.scope == "room":
            return self.rooms.get(key.subject)
        if key.scope == "school":
            return self.schools.get(key.subject)
        return self.territories.get(key.subject) if key.scope == "territory" else self.centre

    def note(self, subject: Subject, cause: str, rank: int | None, now_s: float) -> Condition:
        """Take what is seen of a cause."""
        condition = subject.condition(cause, now_s)
        is_counted = not condition.is_hidden and condition.joined is None
        if condition.note(rank, now_s, is_counted=is_counted):
            self.news.add(subject)
        return condition

    @property
    def size(self) -> int:
        """How many subjects there are."""
        return len(self.rooms) + len(self.schools) + len(self.territories) + 1

    @property
    def is_blind(self) -> bool:
        """Whether it is us who hear nobody."""
        broker = self.centre.conditions.get(BROKER)
        return broker is not None and bool(broker.rank)

    def urgency(self, subject: Subject, now_s: float) -> Urgency:
        """Return how urgent a fault of it is now: of several rooms, the most urgent."""
        if isinstance(subject, Room):
            return Urgency.URGENT if subject.in_lesson else subject.calendar.urgency(now_s)
        highest = Urgency.QUIET
        for room in (subject.members if isinstance(subject, Site) else self.rooms).values():
            highest = max(highest, self.urgency(room, now_s))
            if highest is Urgency.URGENT:
                break
        return highest
