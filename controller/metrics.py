"""Prometheus: numbers of the whole centre, never one series per room (5,000 of those are 36 ms and 237 kB)."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from controller.fleet import Fleet
from controller.hub import Hub
from controller.ingest import Ingest
from controller.store.store import Store

_LINKS = ("online", "late", "offline", "unknown", "off")


class _Now:
    """What is read at the moment of asking."""

    def __init__(self, fleet: Fleet, hub: Hub, ingest: Ingest, store: Store) -> None:
        self._fleet, self._hub, self._ingest, self._store = fleet, hub, ingest, store

    def collect(self) -> Iterable[Metric]:
        rooms = GaugeMetricFamily("estrade_rooms", "Rooms by the state of their link", labels=["link"])
        states = GaugeMetricFamily(
            "estrade_rooms_state", "Rooms that can be reached, by lesson state", labels=["state"]
        )
        links: Tally[str] = Tally()
        by_state: Tally[str] = Tally()
        viewers = 0
        for room in self._fleet.ids():
            links[self._fleet.link(room)] += 1
            state = self._fleet.state(room)
            if state is not None and self._fleet.is_online(room):
                by_state[state.state] += 1
                viewers += state.viewers
        for link in _LINKS:
            rooms.add_metric([link], links[link])
        for name, count in sorted(by_state.items()):
            states.add_metric([name], count)
        it_pages, pupil_pages = self._hub.count()
        pages = GaugeMetricFamily("estrade_pages_open", "Open live streams", labels=["page"])
        pages.add_metric(["it"], it_pages)
        pages.add_metric(["pupil"], pupil_pages)
        dropped = CounterMetricFamily(
            "estrade_messages_dropped", "Messages not of their form or of no room", labels=["kind"]
        )
        for kind, count in sorted(self._ingest.dropped.items()):
            dropped.add_metric([kind], count)
        yield rooms
        yield states
        yield GaugeMetricFamily("estrade_viewers", "Pupils connected, as rooms report", value=viewers)
        yield GaugeMetricFamily("estrade_broker_connected", "1: the broker is there", value=int(self._fleet.has_broker))
        yield pages
        yield dropped
        yield CounterMetricFamily("estrade_events_stored", "Facts stored", value=self._ingest.events_stored)
        yield GaugeMetricFamily(
            "estrade_store_writes_waiting", "Writes that wait", value=self._store.database.writes_waiting
        )


class Metrics:
    """What is counted, with a registry of its own."""

    def __init__(self, fleet: Fleet, hub: Hub, ingest: Ingest, store: Store) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Now(fleet, hub, ingest, store))
        self.joins = Counter("estrade_joins", "Joins by outcome", ["outcome"], registry=self._registry)
        self.offers = Counter("estrade_offers", "Offers by outcome", ["outcome"], registry=self._registry)
        self.offer_seconds = Histogram(
            "estrade_offer_seconds",
            "Offer to answer, answered ones",
            buckets=(0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10),
            registry=self._registry,
        )
        self.loop_lag = Gauge("estrade_loop_lag_seconds", "Lateness of the last tick", registry=self._registry)

    def text(self) -> bytes:
        """Return the page that Prometheus reads."""
        return generate_latest(self._registry)
