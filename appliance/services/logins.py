"""One spelling for each login, so that two spellings never are two accounts."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from appliance.domain.errors import BadRequest
from appliance.domain.ids import email_key
from appliance.domain.names import fold

__all__ = ["Login"]


@dataclass(frozen=True, slots=True)
class Login:
    key: int
    typed: str
    folded: str

    @classmethod
    def of(cls, text: str) -> Login:
        """Raises BadRequest for a login with spaces, control or format characters, or none."""
        typed = unicodedata.normalize("NFC", text)
        if not typed or any(unicodedata.category(c)[0] in "CZ" for c in typed):
            raise BadRequest("a login has visible characters and no spaces")
        folded = fold(typed)
        return cls(email_key(folded), typed, folded)
