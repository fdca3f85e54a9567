"""What a check says, as two texts: what is the matter, and what to do."""

from __future__ import annotations

from protocol.messages import Text

Words = tuple[Text, Text]


def wording(fr: str, en: str, do_fr: str, do_en: str) -> Words:
    """Return sentence and remedy, each in French and English."""
    return Text(fr=fr, en=en), Text(fr=do_fr, en=do_en)
