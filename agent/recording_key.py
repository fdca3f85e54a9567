"""The room's key for its recordings: where it lies, and its making at first use. Blocks."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from agent.sealed_file import KEY_BYTES
from agent.whole_file import write_whole
from protocol.errors import RecordingError

CREDENTIAL = "recording.key"


def recording_key(state_dir: Path, environment: Mapping[str, str] = os.environ) -> bytes:
    """Return the key that systemd hands over (``LoadCredential=recording.key``), or the room's own file's.

    The file is made once, for the agent's user alone. Raises RecordingError when there is none and none can be made, or
    when it is not a key: a new one in its place would leave all recordings unreadable.
    """
    folder = environment.get("CREDENTIALS_DIRECTORY")
    given = Path(folder) / CREDENTIAL if folder else None
    path = given if given is not None and given.exists() else state_dir / CREDENTIAL
    try:
        if not path.exists():
            write_whole(path, secrets.token_bytes(KEY_BYTES), is_synced=True)
        key = path.read_bytes()
    except OSError as error:
        raise RecordingError(f"the key of the recordings, {path}, cannot be read or made ({error.strerror})") from None
    if len(key) != KEY_BYTES:
        raise RecordingError(f"{path} has {len(key)} bytes and is no key; a key has {KEY_BYTES}")
    return key
