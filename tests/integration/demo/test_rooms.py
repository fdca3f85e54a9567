"""What ``estrade rooms`` says when it cannot ask."""

from __future__ import annotations

import socket

import pytest

from estrade import rooms
from protocol.errors import EstradeError


def test_a_centre_that_is_not_there_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESTRADE_PASSWORD", "any")
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(EstradeError) as caught:
        rooms.run(url, name="it", password_stdin=False, ca_file=None, as_json=False)
    assert caught.value.message == f"the centre {url} cannot be reached: Connection refused"
