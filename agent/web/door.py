"""Who may open the panel, and what of it: the boot's token swapped for a cookie, and the PIN before names and code."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from agent.web.pin import Pin
from agent.web.token import PanelToken
from protocol.errors import AccessError
from protocol.panel import PanelAudience, PanelView


class PanelDoor:
    """The two locks of one panel."""

    def __init__(self, token: PanelToken, pin: Pin) -> None:
        self._token = token
        self.pin = pin

    def check(self, request: Request) -> None:
        """Raise AccessError ``panel-token`` unless the request carries the cookie, or the token as Bearer.

        A Bearer is for programs of the room's own, which read the token's file; no page of another site knows it.
        """
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._token.is_token(bearer.strip()):
            return
        if not self._token.is_cookie(request.cookies.get(_cookie_name(request), "")):
            raise AccessError("the panel opens from the room's own screen", code="panel-token")

    def exchange(self, request: Request, given: str) -> Response:
        """Answer ``/?token=…``: the cookie for the right token, and in any case an address without it."""
        response = RedirectResponse("/", 303, {"cache-control": "no-store"})
        if self._token.is_token(given):
            response.set_cookie(_cookie_name(request), self._token.cookie, path="/", httponly=True, samesite="strict")
        return response

    def shown(self, view: PanelView) -> PanelView:
        """Return what of the view may be shown now."""
        if not self.pin.is_set:
            return view
        if not self.pin.is_locked:
            return view.model_copy(update={"pin": "open"})
        nameless = tuple(viewer.model_copy(update={"name": ""}) for viewer in view.viewers)
        audience = None if view.audience is None else _nameless(view.audience)
        recording = view.recording and view.recording.model_copy(update={"all": (), "removed": ()})
        talk = None if view.talk is None else view.talk.model_copy(update={"name": ""})
        screen = None if view.screen is None else view.screen.model_copy(update={"code": None})
        hidden = {
            "access": None,
            "viewers": nameless,
            "audience": audience,
            "recording": recording,
            "talk": talk,
            "screen": screen,
        }
        return view.model_copy(update={"pin": "locked", **hidden})


def _nameless(audience: PanelAudience) -> PanelAudience:
    """Return the same without what pupils typed: names and questions."""
    return audience.model_copy(
        update={
            "knocking": tuple(one.model_copy(update={"name": ""}) for one in audience.knocking),
            "hands": tuple(one.model_copy(update={"name": ""}) for one in audience.hands),
            "questions": tuple(one.model_copy(update={"name": "", "text": ""}) for one in audience.questions),
        }
    )


def _cookie_name(request: Request) -> str:
    """Cookies know no ports: two panels on one machine must not take each other's away."""
    return f"estrade-panel-{request.scope['server'][1]}"
