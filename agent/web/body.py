"""What a page sends: bounded, and of one form, or refused in a sentence."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError
from starlette.requests import Request

from protocol.errors import EstradeError
from protocol.pages import Body

MOST_BODY_BYTES = 4_096

Given = TypeVar("Given", bound=Body)


class BodyError(EstradeError):
    """The page sent something that is not of the expected form."""

    default_code = "body-invalid"


async def read_body(request: Request, model: type[Given]) -> Given:
    """Return the body as its model, or raise BodyError."""
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > MOST_BODY_BYTES:
            raise BodyError(f"the body is larger than {MOST_BODY_BYTES} bytes", code="body-too-large")
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in detail["loc"]) or "body"
        raise BodyError(f"{key}: {detail['msg'].lower()}") from None
