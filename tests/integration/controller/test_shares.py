"""Files that rooms hand over: taken part by part, given out sealed, and gone when they run out."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from controller.config import SharesConfig
from controller.shares import Share, Shares
from protocol.errors import CommandError, ShareError
from protocol.messages import UploadAsked, UploadTold
from tests.broker import Broker
from tests.integration.controller.scripted import (
    RunningCentre,
    ScriptedRoom,
    centre_config,
    now,
    register,
    running_centre,
    scripted_room,
)

FILE = bytes(range(256)) * 1000


async def asked(room: ScriptedRoom, size_bytes: int) -> UploadTold:
    answer = await room.link.call(
        room.topics.req("upload"),
        UploadAsked(size_bytes=size_bytes),
        reply_topic=room.topics.reply("upload"),
        timeout_s=10,
    )
    return UploadTold.model_validate(answer)


def left(folder: Path) -> set[str]:
    return {path.stem for path in folder.iterdir()}


def patch(told: UploadTold, offset: int, token: str = "") -> dict[str, str]:
    return {
        "Authorization": f"Bearer {token or told.token}",
        "Content-Type": "application/offset+octet-stream",
        "Upload-Offset": str(offset),
    }


async def test_a_file_comes_in_parts_goes_on_where_it_stopped_and_is_given_out_whole(
    centre: RunningCentre, room: ScriptedRoom
) -> None:
    told = await asked(room, len(FILE))
    share = told.page.rpartition("/")[2]
    assert told.upload.startswith(centre.url)
    half = len(FILE) // 2
    answer = await centre.http.patch(told.upload, content=FILE[: half // 2], headers=patch(told, 0))
    assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(half // 2))
    again = await centre.http.patch(told.upload, content=FILE[: half // 2], headers=patch(told, 0))
    assert (again.status_code, again.json()["code"]) == (409, "share-offset")
    head = await centre.http.head(told.upload, headers=patch(told, 0))
    assert (head.headers["upload-offset"], head.headers["upload-length"]) == (str(half // 2), str(len(FILE)))
    assert (await centre.http.get(f"/api/v1/shared/{share}")).status_code == 404, "it is not whole"
    for at in range(half // 2, len(FILE), 100_000):
        part = FILE[at : at + 100_000]
        assert (await centre.http.patch(told.upload, content=part, headers=patch(told, at))).status_code == 204
    more = await centre.http.patch(told.upload, content=b"x", headers=patch(told, len(FILE)))
    assert more.status_code == 409
    whole = await centre.http.get(f"/api/v1/shared/{share}")
    assert whole.content == FILE
    assert (await centre.http.get(f"/r/{share}")).status_code == 200


async def test_nobody_else_sends_into_it_and_no_part_is_too_large(centre: RunningCentre, room: ScriptedRoom) -> None:
    told = await asked(room, 1_000_000)
    for headers, body, status in (
        (patch(told, 0, token="another"), b"x", 401),
        ({**patch(told, 0), "Authorization": ""}, b"x", 401),
        ({**patch(told, 0), "Upload-Offset": "-1"}, b"x", 422),
        ({**patch(told, 0), "Content-Type": "text/plain"}, b"x", 415),
        (patch(told, 0), bytes(131_073), 413),
    ):
        answer = await centre.http.patch(told.upload, content=body, headers=headers)
        assert answer.status_code == status, answer.text
    for share in ("nothing", "a" * 22, "..%2f..%2fsecret"):
        assert (await centre.http.get(f"/api/v1/shared/{share}")).status_code == 404


async def test_a_centre_without_room_takes_none(tmp_path: Path, broker: Broker) -> None:
    config = centre_config(tmp_path / "centre", broker, shares=SharesConfig(most_gb=0.001))
    await register(config)
    async with running_centre(config), scripted_room(broker) as room:
        await asked(room, 900_000)
        with pytest.raises(CommandError) as refused:
            await asked(room, 200_000)
        assert refused.value.code == "share-full"


async def test_a_link_runs_out_and_nothing_of_it_stays(tmp_path: Path) -> None:
    at = [now()]
    shares = Shares(tmp_path, SharesConfig(keep_days=7), public_url="https://e.example", now=lambda: at[0])
    told = await shares.begin("b12", 3)
    share = told.page.rpartition("/")[2]

    async def body() -> object:
        yield b"abc"

    await shares.append(share, told.token, 0, body())  # type: ignore[arg-type]  # an async generator of bytes
    assert (await shares.whole(share)).read_bytes() == b"abc"
    at[0] += timedelta(days=7)
    with pytest.raises(ShareError):
        await shares.whole(share)
    await shares.begin("b12", 3)
    assert share not in left(tmp_path)


async def test_what_stalled_gives_its_place_back_and_a_disk_that_deletes_nothing_ends_nobody(tmp_path: Path) -> None:
    at = [now()]
    shares = Shares(tmp_path, SharesConfig(keep_days=7, most_gb=1), public_url="https://e.example", now=lambda: at[0])
    await shares.begin("b12", 900_000_000)
    with pytest.raises(ShareError) as full:
        await shares.begin("b13", 900_000_000)
    assert full.value.code == "share-full"
    at[0] += timedelta(hours=7)  # and nothing has come
    (tmp_path / "stuck.sealed").mkdir()
    note = Share(id="stuck", room="b14", size_bytes=1, token_sha256="", expires_at=at[0] - timedelta(days=1))
    (tmp_path / "stuck.json").write_text(note.model_dump_json())
    await shares.begin("b13", 900_000_000)
    assert "stuck" in left(tmp_path)
