"""What the centre wishes of this room, kept on disk for when the centre is away."""

from __future__ import annotations

import logging
from pathlib import Path

from pydantic import ValidationError

from agent.whole_file import write_whole
from protocol.messages import ConfigDocument

log = logging.getLogger(__name__)


class DesiredConfig:
    """The newest configuration document. Idempotent by ``rev``; written whole and atomically."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.document: ConfigDocument | None = None
        try:
            self.document = ConfigDocument.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            pass
        except ValidationError:
            log.warning("The stored configuration of the centre is damaged and is asked for anew")

    def take(self, payload: bytes) -> ConfigDocument | None:
        """Keep a newly received document and return it; None when it is the one we have. Raises ValidationError."""
        document = ConfigDocument.model_validate_json(payload)
        if document == self.document:
            return None
        write_whole(self._path, document.model_dump_json().encode(), is_synced=True)
        self.document = document
        return document
