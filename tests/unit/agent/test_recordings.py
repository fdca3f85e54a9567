"""Recordings at rest: sealed, read back, cut off, changed, made with another key."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.recording_key import CREDENTIAL, recording_key
from agent.recordings import Recordings
from agent.sealed_file import KEY_BYTES, SUFFIX, SealedFile, SealedWriter
from agent.streams.fmp4 import Parameters
from protocol.errors import RecordingError

KEY, OTHER = bytes(KEY_BYTES), bytes([1]) * KEY_BYTES
BEGAN = datetime(2026, 11, 23, 13, 2, tzinfo=UTC)
SETS = Parameters(
    bytes.fromhex("6742c01fda014016ec0440000003004000000f03c60ca8"), bytes.fromhex("68ce0f2c80")
)  # 1280×720, as libx264 writes them


def sealed(path: Path, contents: list[bytes]) -> Path:
    writer = SealedWriter(path, KEY)
    for number, content in enumerate(contents):
        writer.append(4, number * 1000, content)
    writer.close()
    return path


def contents(path: Path, key: bytes = KEY) -> list[bytes]:
    file = SealedFile(path, key)
    try:
        return [file.read(record) for record in file.records]
    finally:
        file.close()


@pytest.fixture
def recordings(tmp_path: Path) -> Recordings:
    return Recordings(tmp_path / "recordings", lambda: KEY, lambda: BEGAN)


def recorded(recordings: Recordings, fragments: list[bytes], *, is_whole: bool = True) -> str:
    file = recordings.create("l-1")
    file.parameters("board", SETS)
    file.chapter("start", 0)
    for number, fragment in enumerate(fragments, 1):
        file.fragment(fragment, number * 1000)
    if is_whole:
        file.finish(len(fragments) * 1000)
    file.close()
    return file.id


def test_the_list_forgets_what_is_gone(recordings: Recordings) -> None:
    one, other = recorded(recordings, [b"a"]), recorded(recordings, [b"b"], is_whole=False)
    assert {found.id for found in recordings.all()} == {one, other}
    recordings.delete(one)
    assert [found.id for found in recordings.all()] == [other]
    assert len(recordings._known) == 1


def test_what_is_being_made_is_not_listed_from_its_first_instant_to_its_last(recordings: Recordings) -> None:
    """Whoever saw it there could delete it under the recorder's hands, or share the beginning of it."""
    file = recordings.create("l-1")
    assert recordings.all() == []
    file.fragment(b"a", 1000)
    assert recordings.all() == []
    file.close()
    assert [found.id for found in recordings.all()] == [file.id]


def test_a_recording_that_could_not_be_read_for_a_moment_is_looked_at_again(tmp_path: Path) -> None:
    keys = [KEY, OTHER, KEY]
    recordings = Recordings(tmp_path, lambda: keys.pop(0), lambda: BEGAN)
    recorded(recordings, [b"a"])
    assert [found.about is None for found in (*recordings.all(), *recordings.all())] == [True, False]


def test_what_was_sealed_comes_back_and_is_not_in_the_file(tmp_path: Path) -> None:
    path = sealed(tmp_path / "a", [b"the first", b"", b"the third" * 1000])
    assert contents(path) == [b"the first", b"", b"the third" * 1000]
    assert b"the first" not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_cut_file_is_read_up_to_its_last_whole_record(tmp_path: Path) -> None:
    path = sealed(tmp_path / "a", [b"one" * 50, b"two" * 50, b"three" * 50])
    whole = path.read_bytes()
    start = len(whole) - len(contents(path)[2]) - 16
    for cut in (len(whole) - 1, start + 1, start - 1, start - 5):
        path.write_bytes(whole[:cut])
        assert contents(path) == [b"one" * 50, b"two" * 50]


def test_a_length_that_the_disk_kept_without_its_content_is_left_out(tmp_path: Path) -> None:
    path = sealed(tmp_path / "a", [b"one" * 50, b"two" * 50])
    whole = path.read_bytes()
    path.write_bytes(whole[:-100] + bytes(100) + bytes(4096))
    assert contents(path) == [b"one" * 50]


def test_a_record_that_was_changed_or_moved_is_not_read(tmp_path: Path) -> None:
    path = sealed(tmp_path / "a", [b"one" * 50, b"two" * 50, b"six" * 50])
    whole = path.read_bytes()
    size = 9 + 150 + 16
    first = len(whole) - 3 * size
    swapped = whole[:first] + whole[first + size : first + 2 * size] + whole[first : first + size] + whole[-size:]
    flipped = bytearray(whole)
    flipped[first + 20] ^= 1
    later = bytearray(whole)
    later[first + 4] ^= 1  # its time, which is in the open
    for changed in (swapped, bytes(flipped), bytes(later)):
        path.write_bytes(changed)
        with pytest.raises(RecordingError, match="damaged or changed"):
            contents(path)


def test_another_key_opens_nothing(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="another key"):
        contents(sealed(tmp_path / "a", [b"one"]), OTHER)


def test_a_recording_is_read_in_any_ranges(recordings: Recordings) -> None:
    fragments = [bytes([n]) * (500 + n) for n in range(4)]
    one = recorded(recordings, fragments)
    mp4 = recordings.open(one)
    whole = b"".join(mp4.read(0, mp4.size - 1))
    assert len(whole) == mp4.size
    assert whole.endswith(b"".join(fragments))
    head = mp4.size - sum(map(len, fragments))
    edges = [0, 1, head - 1, head, head + 499, head + 500, head + 501, mp4.size - 1]
    for first in edges:
        for last in (edge for edge in edges if edge >= first):
            assert b"".join(recordings.open(one).read(first, last)) == whole[first : last + 1]


def test_the_list_has_when_how_long_and_whether_it_is_whole(recordings: Recordings) -> None:
    whole, cut = recorded(recordings, [b"x" * 10] * 3), recorded(recordings, [b"x" * 10] * 2, is_whole=False)
    found = {one.id: one for one in recordings.all()}
    assert (found[whole].duration_s, found[whole].is_whole) == (3.0, True)
    assert (found[cut].duration_s, found[cut].is_whole) == (2.0, False)
    about = found[whole].about
    assert about is not None
    assert about.model_dump() == {"lesson": "l-1", "began_at": BEGAN}


def test_what_cannot_be_read_is_listed_and_can_be_deleted(recordings: Recordings, tmp_path: Path) -> None:
    one = recorded(recordings, [b"x"])
    other = Recordings(recordings.folder, lambda: OTHER)
    assert [(found.id, found.about) for found in other.all()] == [(one, None)]
    with pytest.raises(RecordingError, match="another key"):
        other.open(one)
    other.delete(one)
    assert recordings.all() == []


@pytest.mark.parametrize("name", ["../lesson", "x/y", "", "ABCDEF", "0123456789abcdef"])
def test_a_name_that_is_none_is_refused(recordings: Recordings, name: str) -> None:
    for act in (recordings.open, recordings.delete):
        with pytest.raises(RecordingError, match="no such recording"):
            act(name)


def test_the_key_is_made_once_for_the_agents_user_alone(tmp_path: Path) -> None:
    made = recording_key(tmp_path, {})
    assert len(made) == KEY_BYTES
    assert recording_key(tmp_path, {}) == made
    assert stat.S_IMODE((tmp_path / CREDENTIAL).stat().st_mode) == 0o600


def test_a_key_that_is_handed_over_is_taken_and_one_that_is_none_is_not_replaced(tmp_path: Path) -> None:
    given, state = tmp_path / "credentials", tmp_path / "state"
    given.mkdir()
    environment = {"CREDENTIALS_DIRECTORY": str(given)}
    (given / CREDENTIAL).write_bytes(OTHER)
    assert recording_key(state, environment) == OTHER
    (given / CREDENTIAL).write_bytes(b"short")
    with pytest.raises(RecordingError, match="is no key"):
        recording_key(state, environment)
    assert not state.exists()


def test_a_recording_that_does_not_begin_leaves_no_file(recordings: Recordings) -> None:
    recordings.folder.mkdir()
    recordings.folder.chmod(0o500)
    if os.geteuid() == 0:
        recordings.folder.chmod(0o700)
        recordings.folder.rmdir()
        recordings.folder.write_bytes(b"")  # root may write everywhere, but not into a file as a folder
    with pytest.raises(OSError, match=r".+"):
        recordings.create("l-1")
    assert not list(recordings.folder.parent.glob("**/*" + SUFFIX))
