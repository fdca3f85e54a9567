"""Who is there, one line for each pupil: who comes back by another connection keeps the place."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from agent.streams.viewer import ViewerConnection, ViewerView
from protocol.errors import SignallingError


class Roster:
    """Connections and places of one lesson, by holder (the ticket's mark); a viewer without one stands for itself.

    Connections come in the order of their offers, oldest first.
    """

    def __init__(self) -> None:
        self.connections: dict[str, ViewerConnection] = {}
        """By the viewer's id."""
        self._holders: dict[ViewerConnection, str] = {}
        self._places: dict[str, float] = {}

    def __iter__(self) -> Iterator[ViewerConnection]:
        return iter(self.connections.values())

    def add(self, connection: ViewerConnection, holder: str | None) -> None:
        """Take a connection whose offer came."""
        self.connections[connection.id] = connection
        if holder is not None:
            self._holders[connection] = holder

    def remove(self, connection: ViewerConnection) -> None:
        """Forget a connection; its pupil keeps the place."""
        del self.connections[connection.id]
        self._holders.pop(connection, None)

    def has(self, connection: ViewerConnection) -> bool:
        """Say whether this connection, and no newer one of its id, is there."""
        return self.connections.get(connection.id) is connection

    def known(self, viewer: str) -> ViewerConnection:
        """Return a viewer's connection. Raises SignallingError ``viewer-not-found``."""
        connection = self.connections.get(viewer)
        if connection is None:
            raise SignallingError(f'no viewer "{viewer[:64]}" is connected', code="viewer-not-found")
        return connection

    def holder(self, connection: ViewerConnection) -> str | None:
        """Return whose ticket a connection came with; None for a viewer without one."""
        return self._holders.get(connection)

    def who(self, connection: ViewerConnection) -> str:
        """Return the pupil behind a connection: its holder, or else itself."""
        return self._holders.get(connection, connection.id)

    def of(self, holder: str) -> tuple[ViewerConnection, ...]:
        """Return every connection of one ticket."""
        return tuple(connection for connection, of_holder in self._holders.items() if of_holder == holder)

    def one_of_each(self) -> Collection[ViewerConnection]:
        """Return the newest connection of each pupil."""
        return {self.who(connection): connection for connection in self}.values()

    def arrived(self, holder: str, mono_s: float) -> None:
        """Note who has connected; only the first time gives the place."""
        self._places.setdefault(holder, mono_s)

    def lines(self, views: Iterable[tuple[str, ViewerView]]) -> tuple[ViewerView, ...]:
        """Return one view for each holder, in the order in which they first came.

        ``views`` are in the order of their offers. Of a pupil's connections the newest that is connected counts, and
        one on its way only while there is none.
        """
        best: dict[str, ViewerView] = {}
        for holder, view in views:
            known = best.get(holder)
            if known is None or view.is_connected or not known.is_connected:
                best[holder] = view
        placed = [
            replace(view, joined_mono_s=self._places.get(holder, view.joined_mono_s)) for holder, view in best.items()
        ]
        return tuple(sorted(placed, key=lambda view: view.joined_mono_s))
