"""Takes out of a text what nobody outside may see: by value, by shape, by the name before it.

Invariant: a secret that the redactor was given is in no redacted text, in none of its disguises.
`holds_secret` is that invariant as a question; the bundle asks it again of what it is about to
write. What is taken out leaves a mark with its kind: [redacted:password].

Addresses of networks and of mail that aren't the cluster's own become names that are the same
within one bundle and say nothing outside it.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from appliance.support.disguises import spellings, unwrapped
from appliance.support.shapes import SHAPES, mark

__all__ = ["MARKS", "SHORTEST", "Redacted", "Redactor"]

SHORTEST = 6
"""Characters. A shorter value would be found in half of all words; it goes by its name alone."""

MARKS = "".join(map(mark, ("known-secret", "line", "text", *(s.kind for s in SHAPES))))
"""What this writes itself. A secret that it spells could never be taken out."""
_MAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}\b")
_UNIT = re.compile(r"\.(?:service|timer|socket|target|slice|scope|conf|ya?ml)$")
_ADDRESS = re.compile(
    r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)"
    r"|(?<![\w.:])[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}(?![\w:])"
)


@dataclass(frozen=True, slots=True)
class Redacted:
    text: str
    counts: dict[str, int] = field(default_factory=dict)  # kind -> how many


class Redactor:
    """`secrets`: values to be found wherever they are. `own`: addresses that may stay, the
    cluster's. `key`: random, of one bundle; whoever lacks it can't tell whose an alias is."""

    def __init__(self, secrets: Iterable[str], own: Iterable[str], key: bytes) -> None:
        values = {each.strip() for each in secrets}
        usable = {each for each in values if len(each) >= SHORTEST and each not in MARKS}
        found = {way for each in usable for way in spellings(each)}
        # The longest first: of two that overlap the larger leaves nothing of the smaller.
        self._spellings = sorted(found, key=lambda way: (-len(way), way))
        self._own = frozenset(own)
        self._key = key

    def redact(self, text: str) -> Redacted:
        counts: Counter[str] = Counter()
        text = self._by_value(text, counts)
        if self.holds_secret(text):
            text = self._disguised(text, counts)
        for shape in SHAPES:
            text = shape.apply(text, counts)
        text = self._aliased(_ADDRESS, "address", self._is_foreign, text, counts)
        text = self._aliased(_MAIL, "mail", _is_mail, text, counts)
        return Redacted(text, dict(sorted(counts.items())))

    def holds_secret(self, text: str) -> bool:
        return self._holds(text) or any(self._holds(each) for each in unwrapped(text))

    def _holds(self, text: str) -> bool:
        return any(way in text for way in self._spellings)

    def _by_value(self, text: str, counts: Counter[str]) -> str:
        for way in self._spellings:
            if way in text:
                counts["known-secret"] += text.count(way)
                text = text.replace(way, mark("known-secret"))
        return text

    def _disguised(self, text: str, counts: Counter[str]) -> str:
        """Escapes that no list has: the word that holds them goes, or else the whole line, or
        all of it, when the secret has a line break within."""
        lines = text.split("\n")
        for number, line in enumerate(lines):
            if not self.holds_secret(line):
                continue
            words = re.split(r"(\s+)", line)
            fresh = "".join(mark("known-secret") if self.holds_secret(w) else w for w in words)
            lines[number] = mark("line") if self.holds_secret(fresh) else fresh
            counts["known-secret"] += 1
        text = "\n".join(lines)
        if self.holds_secret(text):
            counts["known-secret"] += 1
            return mark("text")
        return text

    def _aliased(
        self,
        pattern: re.Pattern[str],
        kind: str,
        applies: Callable[[str], bool],
        text: str,
        counts: Counter[str],
    ) -> str:
        def alias(found: re.Match[str]) -> str:
            if not applies(found[0]):
                return found[0]
            counts[kind] += 1
            digest = hmac.new(self._key, found[0].lower().encode(), hashlib.sha256).hexdigest()
            return f"{kind}-{digest[:8]}"

        return pattern.sub(alias, text)

    def _is_foreign(self, text: str) -> bool:
        try:
            found = ipaddress.ip_address(text)
        except ValueError:
            return False
        return not (found.is_loopback or found.is_unspecified or str(found) in self._own)


def _is_mail(text: str) -> bool:
    return _UNIT.search(text) is None
