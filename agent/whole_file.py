"""Small files that are there as they were or as they shall be, and never in between; written, and read back."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

log = logging.getLogger(__name__)

Kept = TypeVar("Kept", bound=BaseModel)


def write_whole(path: Path, data: bytes, *, mode: int = 0o600, is_synced: bool = False) -> None:
    """Put ``data`` in place of a file, making its folder; for the agent's user alone unless ``mode`` lets others read.

    With ``is_synced`` it outlives a power cut from here on; without, a fall of the program. Raises OSError; blocks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(descriptor, mode)  # after the writing, and whatever the umask
        if is_synced:
            os.fsync(descriptor)
    beside.replace(path)


def read_kept(path: Path, model: type[Kept], warning: str) -> Kept | None:
    """Return what a file keeps; None when there is none, or when it cannot be read, which the log says. Blocks."""
    try:
        return model.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        log.warning(warning, extra={"path": str(path)})
        return None
