"""What tests of streams leave open is closed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.streams.direct_viewer import OPEN


@pytest.fixture(autouse=True)
def closed_viewers() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().end()
