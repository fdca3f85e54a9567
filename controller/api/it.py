"""IT's side: sign in, rooms as last reported, what happened, and the acts from afar."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Iterable
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel
from starlette.responses import Response

from controller.accounts.grants import EVERY_PLACE, Permission, Who
from controller.accounts.sign_ins import token_sha256
from controller.api.security import (
    api_token,
    by,
    centre_of,
    client_address,
    cookie_name,
    delete_cookie,
    give_cookie,
    guarded,
    lacks_second_step,
    place_of_room,
    signed_in_of,
    still_there,
    who_of,
)
from controller.centre import Centre
from controller.store.accounts import SignedInRecord, widest
from controller.store.events import EventRecord
from protocol.errors import EstradeError, StoreError
from protocol.messages import CheckSeen, LessonMute, LessonPropose, LessonStop
from protocol.pages import (
    ActAnswer,
    EventsView,
    EventView,
    ProposeAnswer,
    RoomsView,
    RoomView,
    SeenBody,
    SessionView,
    SignIn,
)
from protocol.topics import RoomTopics, check_id, controller_reply

router = APIRouter(prefix="/api/v1")

ACT_TIMEOUT_S = 5.0
"""The room answers at once; devices are opened or closed after it."""
COALESCE_S = 0.5
"""A page is told at most twice a second, whatever happens in 5,000 rooms."""
_RETRY_MS = 2_000


# --- signing in ---------------------------------------------------------------------------------------------------


@router.post("/session", dependencies=[guarded(Permission.PUBLIC)])
async def sign_in(body: SignIn, request: Request, response: Response) -> SessionView:
    """Sign in; the token goes into a cookie that no script can read."""
    centre = centre_of(request)
    try:
        token, who = await centre.sign_ins.sign_in(body.name, body.password, client_address(request), body.code)
    except EstradeError as error:
        if error.code == "totp-wrong":
            await centre.audit.note(body.name, "sign-in", "", error.code)
        elif error.code == "sign-in-failed":  # a name that is none may be a password typed in the wrong place
            is_known = await centre.store.accounts.get(body.name) is not None
            await centre.audit.note(body.name if is_known else "(unknown)", "sign-in", "", error.code)
        raise
    await centre.audit.note(who.name, "sign-in", "", "ok")
    give_cookie(centre, response, token)
    response.headers["Cache-Control"] = "no-store"
    return _session_view(centre, who)


@router.get("/session", dependencies=[guarded(Permission.SIGNED_IN)])
async def session(request: Request) -> SessionView:
    """Say who is signed in."""
    return _session_view(centre_of(request), signed_in_of(request))


def _session_view(centre: Centre, who: SignedInRecord) -> SessionView:
    if not who.is_local:
        second_step: Literal["on", "off", "missing", "elsewhere"] = "elsewhere"
    elif who.has_second_step:
        second_step = "on"
    else:
        second_step = "missing" if lacks_second_step(centre, who) else "off"
    return SessionView(name=who.name, role=widest(who.grants), second_step=second_step)


@router.delete("/session", dependencies=[guarded(Permission.PUBLIC)])
async def sign_out(request: Request) -> Response:
    """Sign out; fine for somebody who is not signed in."""
    centre = centre_of(request)
    name = cookie_name(centre)
    if token := request.cookies.get(name):
        who = await centre.sign_ins.who(token)
        await centre.sign_ins.sign_out(token)
        if who is not None:
            await centre.audit.note(who.name, "sign-out", "", "ok")
    response = Response(status_code=204)
    delete_cookie(response, name)
    return response


# --- rooms --------------------------------------------------------------------------------------------------------


@router.get("/rooms", dependencies=[guarded(Permission.READ, filtered=True)])
async def rooms(request: Request) -> Response:
    """Every room that the caller may see, as last reported.

    ``cursor`` goes to ``GET /api/v1/events?since=`` for what changes after.
    """
    centre = centre_of(request)
    cursor = await _cursor(centre)
    views = tuple(centre.fleet.view(room) for room in sorted(_seen_by(centre, who_of(request), centre.fleet.ids())))
    # written at once: FastAPI would go through 5,000 rooms a second time
    body = RoomsView(at=centre.now(), rooms=views, cursor=cursor).model_dump_json()
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


@router.get("/rooms/{room}", dependencies=[guarded(Permission.READ, scope=by("room"))])
async def room_view(room: str, request: Request) -> RoomView:
    centre = centre_of(request)
    _check_room(centre, room)
    return centre.fleet.view(room)


@router.get("/rooms/{room}/events", dependencies=[guarded(Permission.READ, scope=by("room"))])
async def room_events(room: str, request: Request, most: Annotated[int, Query(ge=1, le=500)] = 100) -> EventsView:
    """What happened in the room, newest first."""
    centre = centre_of(request)
    _check_room(centre, room)
    return EventsView(events=tuple(_event(fact) for fact in await centre.store.events.of_room(room, most=most)))


@router.post("/rooms/{room}/stop", dependencies=[guarded(Permission.LESSON, scope=by("room"))])
async def stop(room: str, request: Request) -> ActAnswer:
    """End the room's lesson."""
    return await _act(request, room, "lesson.stop", LessonStop(actor=who_of(request).name))


@router.post("/rooms/{room}/propose", dependencies=[guarded(Permission.LESSON, scope=by("room"))])
async def propose(room: str, request: Request) -> ProposeAnswer:
    """Propose a start; somebody in the room accepts it, or it runs out."""
    args = LessonPropose(proposal=f"p-{secrets.token_hex(8)}", actor=who_of(request).name)
    await _act(request, room, "lesson.propose", args)
    return ProposeAnswer(proposal=args.proposal)


@router.post("/rooms/{room}/mute", dependencies=[guarded(Permission.LESSON, scope=by("room"))])
async def mute(room: str, request: Request) -> ActAnswer:
    """Mute the room's microphone in the running lesson; the teacher alone lets it out again."""
    return await _act(request, room, "lesson.mute", LessonMute(actor=who_of(request).name, sound=False))


@router.post("/rooms/{room}/seen", dependencies=[guarded(Permission.ROOM, scope=by("room"))])
async def seen(room: str, body: SeenBody, request: Request) -> ActAnswer:
    """Tell the room that somebody has seen one of its alarms."""
    try:
        check_id(body.check)
    except ValueError as error:
        raise EstradeError(str(error), code="body-invalid") from error
    return await _act(request, room, "check.seen", CheckSeen(check=body.check, actor=who_of(request).name))


async def _act(request: Request, room: str, command: str, args: BaseModel) -> ActAnswer:
    centre = centre_of(request)
    who = who_of(request)
    try:
        _check_room(centre, room)
        if centre.fleet.has_broker and not centre.fleet.is_reachable(room):
            raise EstradeError("the room is switched off or cannot be reached", code="room-offline", retryable=True)
        topic = RoomTopics(centre.fleet.territory(room), room).cmd(command)
        reply = controller_reply(centre.config.instance, room)
        await centre.caller.call(topic, args, reply_topic=reply, timeout_s=ACT_TIMEOUT_S)
    except EstradeError as error:
        await centre.audit.note(who.name, command, room, error.code, room=room, kind=who.kind)
        raise
    await centre.audit.note(who.name, command, room, "ok", room=room, kind=who.kind)
    return ActAnswer()


# --- live ---------------------------------------------------------------------------------------------------------


@router.get("/events", dependencies=[guarded(Permission.READ, filtered=True)], response_class=EventSourceResponse)
async def events(
    request: Request,
    since: Annotated[str | None, Query(max_length=64)] = None,
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Send ``room`` (`RoomView`) and ``event`` (`EventView`) of what the caller may see, as they change.

    Each carries a cursor as its id. With ``Last-Event-ID`` or ``since`` only what is newer is sent; without, or with
    one of another run of this centre, every room once. The stream ends with the sign-in,
    or the token, that opened it.
    """
    centre = centre_of(request)
    who = who_of(request)
    token = api_token(request.headers) or request.cookies.get(cookie_name(centre), "")
    checked_mono_s = time.monotonic()
    # without the database the stream ends: the page comes back with its cursor, and asks as often as it needs to
    with contextlib.suppress(StoreError), centre.hub.watch(token_sha256=token_sha256(token)) as watcher:
        rev, seq = _read_cursor(centre, last_event_id or since)
        yield ServerSentEvent(comment="here", retry=_RETRY_MS)
        if seq is None:
            seq = await centre.store.events.newest_seq()
        else:
            while missed := await centre.store.events.after(seq):
                for fact in missed:
                    if _sees(centre, who, fact.room):
                        yield ServerSentEvent(raw_data=_event(fact).model_dump_json(), event="event")
                seq = missed[-1].seq
                yield ServerSentEvent(raw_data="{}", event="cursor", id=f"{centre.epoch}-{rev}-{seq}")
        watcher.rooms.update(centre.fleet.changed_since(rev))
        while await watcher.wait(centre.sign_in_check_s):
            if time.monotonic() - checked_mono_s >= centre.sign_in_check_s:
                now_who = await still_there(request)
                if now_who is None or not now_who.may_somewhere(Permission.READ):
                    return
                who = now_who
                checked_mono_s = time.monotonic()
            if not (watcher.rooms or watcher.facts):
                continue
            changed, watcher.rooms = watcher.rooms, set()
            rev = centre.fleet.rev
            while watcher.facts:
                fact = watcher.facts.popleft()
                if fact.seq > seq:
                    seq = fact.seq
                    if _sees(centre, who, fact.room):
                        yield ServerSentEvent(raw_data=_event(fact).model_dump_json(), event="event")
            for room in sorted(_seen_by(centre, who, changed)):
                yield ServerSentEvent(raw_data=centre.fleet.view(room).model_dump_json(), event="room")
            # only now has the page everything up to here
            yield ServerSentEvent(raw_data="{}", event="cursor", id=f"{centre.epoch}-{rev}-{seq}")
            await asyncio.sleep(COALESCE_S)


def _sees(centre: Centre, who: Who, room: str) -> bool:
    return who.may(Permission.READ, place_of_room(centre, room))


def _seen_by(centre: Centre, who: Who, rooms: Iterable[str]) -> Iterable[str]:
    """Return those of these rooms that the caller may see."""
    if who.may(Permission.READ, EVERY_PLACE):
        return rooms
    return [room for room in rooms if _sees(centre, who, room)]


async def _cursor(centre: Centre) -> str:
    rev = centre.fleet.rev
    return f"{centre.epoch}-{rev}-{await centre.store.events.newest_seq()}"


def _read_cursor(centre: Centre, cursor: str | None) -> tuple[int, int | None]:
    """Return revision and event number of a cursor; (0, None) asks for everything."""
    epoch, _, rest = (cursor or "").partition("-")
    rev, _, seq = rest.partition("-")
    if epoch != centre.epoch or not (rev.isdigit() and seq.isdigit()):
        return 0, None
    return int(rev), int(seq)


def _event(fact: EventRecord) -> EventView:
    return EventView(id=fact.id, room=fact.room, kind=fact.kind, at=fact.at, fact=fact.fact)


def _check_room(centre: Centre, room: str) -> None:
    if room not in centre.fleet:
        raise EstradeError(f'there is no room "{room}" here', code="room-not-found")
