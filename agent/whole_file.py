"""Small files that are there as they were or as they shall be, and never in between."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, data: bytes, *, is_synced: bool = False) -> None:
    """Put ``data`` in place of a file for the agent's user alone, making its folder. Raises OSError; blocks.

    With ``is_synced`` it outlives a power cut from here on; without, a fall of the program.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        if is_synced:
            file.flush()
            os.fsync(file.fileno())
    beside.replace(path)
