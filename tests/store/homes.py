"""A user with a space, and a clock that a test moves."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from appliance.domain import ids
from appliance.domain.access import Caller


class MovableClock:
    """Starts at the true time; moves only when a test says so."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC)

    def now(self) -> datetime:
        return self.time

    def forward(self, **by: float) -> None:
        self.time += timedelta(**by)


@dataclass(frozen=True)
class Home:
    """A user with a space, ready for calls."""

    caller: Caller
    space_id: int
    quota: int

    @property
    def space(self) -> str:
        return ids.encode_key("s", self.space_id)

    @property
    def root(self) -> str:
        return self.node(ids.ROOT)

    def node(self, node_id: int) -> str:
        return ids.encode("n", self.space_id, node_id)

    def stranger(self) -> Caller:
        """Someone else, whose own space is elsewhere."""
        return replace(
            self.caller,
            user_id=ids.new_key(secrets.randbits),
            space_id=ids.new_key(secrets.randbits),
            login="stranger",
        )
