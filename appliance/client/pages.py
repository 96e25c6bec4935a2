"""Lists that the server answers in pages, as one stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol, TypeVar

from appliance.client.api import Api

__all__ = ["stream"]

T_co = TypeVar("T_co", covariant=True)
_PAGE = 1000


class Page(Protocol[T_co]):
    @property
    def items(self) -> Sequence[T_co]: ...

    @property
    def next(self) -> str | None: ...


async def stream(
    api: Api, path: str, answer: type[Page[T_co]], query: Mapping[str, str] | None = None
) -> AsyncIterator[T_co]:
    """The items of all pages of a GET; a page is asked for when the one before is used up."""
    after: str | None = None
    while True:
        asked = {**(query or {}), "after": after, "limit": _PAGE}
        page = await api.call("GET", path, answer, query=asked)
        for item in page.items:
            yield item
        if (after := page.next) is None:
            return
