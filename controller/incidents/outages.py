"""Rooms that fall silent together are one incident: of their school, of their territory, or of the centre itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from controller.fleet import GRACE_S
from controller.incidents.causes import BROKER, LINK, Severity
from controller.incidents.decisions import Join, Leave
from controller.incidents.flapping import LOW, Flaps
from controller.incidents.registry import Registry
from controller.incidents.site import TOGETHER_S, WAIT_MOST_S, Heard, Silence, is_over, is_site
from controller.incidents.subjects import Condition, Room, Site

LISTEN_S = 1.0
"""While no room at all is heard, it is asked this often whether one is."""
_NEVER = Heard(-math.inf, 10.0)
_NOT_THERE = ("off", "unknown")
"""Links of rooms that do not count among those that could be heard."""


class Outages:
    """Asks who else is away when a room's incident would open, and keeps the members of what it makes of that."""

    def __init__(self, registry: Registry, heard: Callable[[str], Heard | None]) -> None:
        self._registry = registry
        self._heard = heard
        self._silences: dict[Site, Silence] = {}
        self._has_broker = True
        self._deaf_s: float | None = None
        """Since when no room at all is heard, though the broker seems to be there."""
        self.returned_s = -math.inf
        """Until then rooms may still be on their way back to us: none is missed."""

    def begin_turn(self) -> None:
        """Forget what was asked of another moment."""
        self._silences.clear()

    # --- the centre's own hearing -----------------------------------------------------------------------------------

    def broker(self, *, is_there: bool, now_s: float) -> None:
        """Take whether we are connected to the broker."""
        self._has_broker = is_there
        self._weigh_broker(now_s)

    def listen(self, now_s: float) -> float:
        """Look whether a room is heard again where none was; return when to look next."""
        if self._deaf_s is None:
            return math.inf
        if self._is_nobody_heard(self._deaf_s):
            return now_s + LISTEN_S
        self._deaf_s = None
        self._weigh_broker(now_s)
        return math.inf

    def _weigh_broker(self, now_s: float) -> None:
        is_well = self._has_broker and self._deaf_s is None
        if is_well is not self._registry.is_blind:
            return
        self._registry.note(self._registry.centre, BROKER, 0 if is_well else Severity.CRITICAL, now_s)
        if is_well:
            self.returned_s = now_s + GRACE_S
        self._registry.news.update(room for room in self._registry.rooms.values() if room.conditions)

    # --- who is away with whom --------------------------------------------------------------------------------------

    def of(self, room: Room) -> Site | None:
        """Return whose outage a room is part of if it is away now."""
        return next((site for site in self._registry.sites(room) if site.outage is not None), None)

    def ask(self, room: Room, condition: Condition, now_s: float) -> float | None:
        """Say what a room's lost link is part of: None for nothing, infinity for an outage, else when to ask again."""
        sites = self._registry.sites(room)
        if (outage := self.of(room)) is not None:
            self.take_in(outage, room, now_s)
            return math.inf
        if condition.flaps.is_flapping:
            return self._ask_flapping(sites, now_s)
        silent = self._last(room)
        condition.asked_s = now_s if condition.asked_s is None else condition.asked_s
        last_s = condition.asked_s + WAIT_MOST_S
        for site in sites:
            answer = self._silence(site, now_s).ask(silent, now_s)
            if self._is_outage(site, silent, answer.lost, answer.there, now_s):
                if site.scope == "territory" and self._is_nobody_heard(silent.silent_s):
                    if answer.undecided and now_s < min(answer.decided_s, last_s):
                        return min(answer.decided_s, last_s)
                    self._deaf_s = silent.silent_s
                    self._weigh_broker(now_s)
                else:
                    away = [one for one in site.rooms.values() if self._is_away(one, silent, now_s)]
                    self._begin(site, away, silent.at_s, now_s)
                return math.inf
            may_be = self._is_outage(site, silent, answer.lost + answer.undecided, answer.there, now_s)
            if may_be and now_s < min(answer.decided_s, last_s):
                return min(answer.decided_s, last_s)
        condition.asked_s = None
        return None

    def _ask_flapping(self, sites: tuple[Site, ...], now_s: float) -> float | None:
        """Say the same of a link that comes and goes: do those of the others?"""
        for site in sites:
            there = [one for one in site.rooms.values() if one.link not in _NOT_THERE]
            flapping = [
                one for one in there if LINK in one.conditions and one.conditions[LINK].flaps.share(now_s) >= LOW
            ]
            if is_site(site.scope, len(flapping), len(there), len({one.school.id for one in flapping})):
                site.condition(site.cause, now_s).flaps = Flaps(now_s, is_flapping=True)
                self._begin(site, flapping, now_s, now_s)
                return math.inf
        return None

    def _last(self, room: Room) -> Heard:
        return self._heard(room.id) or _NEVER

    def _silence(self, site: Site, now_s: float) -> Silence:
        silence = self._silences.get(site)
        if silence is None:
            silence = self._silences[site] = Silence(
                (self._last(room), room.school.id)
                for room in site.rooms.values()
                if room.link not in _NOT_THERE and room.floor_s <= now_s
            )
        return silence

    def _is_outage(self, site: Site, silent: Heard, lost: int, there: int, now_s: float) -> bool:
        schools = lost
        if site.scope == "territory" and is_site(site.scope, lost, there, schools):
            schools = self._silence(site, now_s).schools(silent)
        return is_site(site.scope, lost, there, schools)

    def _is_nobody_heard(self, since_s: float) -> bool:
        return all(self._last(room).at_s <= since_s for room in self._registry.rooms.values())

    def _is_away(self, room: Room, silent: Heard, now_s: float) -> bool:
        is_together = self._last(room).at_s >= silent.at_s - TOGETHER_S
        return room.link == "offline" and is_together and room.floor_s <= now_s

    # --- members ----------------------------------------------------------------------------------------------------

    def _begin(self, site: Site, rooms: Iterable[Room], since_s: float, now_s: float) -> None:
        site.most = 0
        outage = site.condition(site.cause, now_s)
        outage.note(Severity.CRITICAL, since_s if math.isfinite(since_s) else now_s, is_counted=False)
        for room in rooms:
            self.take_in(site, room, now_s)
        self._registry.news.add(site)

    def take_in(self, site: Site, room: Room, now_s: float) -> None:
        """Make a room part of a site's outage; an incident of its own is covered by it, and so is its school's."""
        condition = room.condition(LINK, now_s)
        before = condition.joined
        if before is not None and before is not site:
            before.members.pop(room.id, None)
            if before.outage is not None and before.outage.is_open:
                before.outage.covered_by = site.key
            self._registry.news.add(before)
        condition.joined, condition.flaps = site, Flaps(now_s)
        site.members[room.id] = room
        site.most = max(site.most, len(site.members))
        if site.outage is not None and site.outage.is_open:
            self._registry.decisions.append(Join(site.key, room.id))
        self._registry.news.update((room, site))

    def let_go(self, site: Site, room: Room) -> None:
        """Take a room out of an outage that goes on."""
        del site.members[room.id]
        room.conditions[LINK].joined = None
        if site.outage is not None and site.outage.is_open:
            self._registry.decisions.append(Leave(site.key, room.id))
        self._registry.news.update((room, site))

    def release(self, site: Site, now_s: float) -> None:
        """End an outage: who is still away is so by itself, from now on."""
        for room in site.members.values():
            condition = room.conditions[LINK]
            condition.joined, condition.from_s = None, now_s
        self._registry.news.update(site.members.values())
        site.members.clear()

    def weigh(self, site: Site, now_s: float) -> None:
        """Look whether so many members are back that the outage is over."""
        outage = site.outage
        if outage is None:
            return
        outage.note(0 if is_over(len(site.members), site.most) else Severity.CRITICAL, now_s, is_counted=True)
        if site.outage is None:
            self.release(site, now_s)
