"""Bodies and query strings, decoded straight to their types or refused with the field's name."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from aiohttp import ClientError, web
from multidict import MultiMapping

from appliance.domain.errors import BadRequest, InvalidBody, TooLarge

__all__ = ["read_body", "read_query"]

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)


async def read_body(request: web.Request, decoder: msgspec.json.Decoder[T], limit: int) -> T:
    """Raises InvalidBody, TooLarge. Nothing beyond `limit` bytes is ever held."""
    if request.content_type != "application/json":
        raise InvalidBody("Send JSON, with Content-Type: application/json.")
    if (request.content_length or 0) > limit:
        raise TooLarge(f"A body is at most {limit} bytes.")
    try:
        raw = await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise TooLarge(f"A body is at most {limit} bytes.") from error
    except (ClientError, OSError, ValueError) as error:
        raise InvalidBody("The body didn't arrive whole.") from error
    try:
        body = decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise InvalidBody(f"{error}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidBody(f"This isn't JSON: {error}.") from error
    except RecursionError as error:
        raise InvalidBody("The JSON is nested too deeply.") from error
    if b"\\u0000" in raw and _has_nul(msgspec.to_builtins(body)):
        raise InvalidBody("Texts can't hold the character U+0000.")
    return body


def _has_nul(value: Any) -> bool:
    match value:
        case str():
            return "\0" in value
        case dict():
            return any(_has_nul(part) for part in value.values())
        case list() | tuple():
            return any(_has_nul(part) for part in value)
    return False


def read_query(query: MultiMapping[str], kind: type[S]) -> S:
    """Unknown parameters are ignored, as proxies add theirs; a known one is given once."""
    given = {name: query[name] for name in kind.__struct_fields__ if name in query}
    for name, text in given.items():
        if "\0" in text or not _encodable(text):
            raise BadRequest(f"{name} isn't valid text.")
        if len(query.getall(name)) > 1:
            raise BadRequest(f"{name} is given more than once.")
    try:
        found = msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(f"In the query: {error}.") from error
    for name in given:
        if getattr(found, name) is None:  # rev=null must not pass for no rev at all
            raise BadRequest(f"{name} is left out rather than null.")
    return found


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
