"""What a licence asks of whoever passes a program on: nothing but a notice, or the source, too.

Invariant: what isn't known is UNKNOWN, never permissive. Names are SPDX's, those of Debian's
copyright format, and what Python packages have written into `License:` for twenty years.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable

__all__ = [
    "Kind", "kind_of", "names_in", "spdx_expression", "spdx_id", "spdx_ids", "together",
    "told_by_text",
]  # fmt: skip


class Kind(enum.Enum):
    PERMISSIVE = "permissive"
    COPYLEFT = "copyleft"
    UNKNOWN = "unknown"


# Asks for source: of the whole, of the library, or of the files (MPL, EPL, CDDL).
_COPYLEFT = re.compile(
    r"\b[al]?gpl\b|[al]?gpl-?v?\d|gnu (affero|lesser|library|general|free doc)|gfdl|fdl-|"
    r"\bmpl\b|mozilla public|epl-|eupl|cddl|osl-|cpl-|ipl-|cecill-[\d.]+$|cc-by-sa|sleepycat|qpl|"
    r"nasa-|rpsl|apsl"
)
_PERMISSIVE = re.compile(
    r"(mit|expat|x11|bsd|0bsd|isc|apache|asl|zlib|libpng|python|psf|cnri|postgresql|unlicense|"
    r"cc0|cc-by-[34]|wtfpl|bsl-1|boost|ofl|sil-?ofl|unicode|icu|curl|openssl|ssleay|ntp|hpnd|ncsa|"
    r"artistic|blessing|beerware|libtiff|tcl|tcp.wrappers|smlnj|fsfap|fsful|"
    r"public.?domain|pd\b|permissive|mit-0|blueoak|zpl|afl-|xfree86|bzip2|info-zip|ssh-)"
)
# Names that SPDX's list has as they stand here; everything else is passed on as a name.
_SPDX_NAMES = (
    "0BSD AGPL-3.0-only AGPL-3.0-or-later Apache-2.0 Artistic-2.0 BSD-2-Clause BSD-3-Clause "
    "BSL-1.0 CC0-1.0 CC-BY-SA-4.0 GPL-2.0-only GPL-2.0-or-later GPL-3.0-only GPL-3.0-or-later "
    "ISC LGPL-2.1-only LGPL-2.1-or-later LGPL-3.0-only LGPL-3.0-or-later MIT MIT-0 MPL-2.0 "
    "OpenSSL PostgreSQL PSF-2.0 SSH-OpenSSH ssh-keyscan SSH-short TCP-wrappers Unicode-3.0 "
    "Unlicense Zlib"
)
_SPDX = {each.lower(): each for each in _SPDX_NAMES.split()}
_WORD = re.compile(r"\(|\)|[^\s()]+")
_JOINS = {"and", "or", "with", "and/or"}


def kind_of(expression: str) -> Kind:
    """Of `MIT OR (Apache-2.0 AND GPL-2+ with OpenSSL exception)`. Where there is a choice, what
    asks least is chosen; what can't be read is UNKNOWN."""
    words = _WORD.findall(expression.replace(",", " "))
    if not words:
        return Kind.UNKNOWN
    kind, rest = _either(words)
    return kind if not rest else Kind.UNKNOWN


def together(kinds: Iterable[Kind]) -> Kind:
    """When all of them apply. Nothing said is UNKNOWN."""
    found = set(kinds)
    for each in (Kind.COPYLEFT, Kind.UNKNOWN, Kind.PERMISSIVE):
        if each in found:
            return each
    return Kind.UNKNOWN


def names_in(expression: str) -> list[str]:
    """The licences that an expression names, for people."""
    words = re.split(r"\s+(?:and/or|and|or)\s+|[(),]", expression, flags=re.IGNORECASE)
    return [each.strip() for each in words if each.strip()]


def spdx_id(name: str) -> str:
    """SPDX's spelling, or "" for a name that isn't one of SPDX's here."""
    return _SPDX.get(name.lower(), "")


def spdx_ids() -> list[str]:
    """All that `spdx_id` may answer."""
    return list(_SPDX.values())


def spdx_expression(text: str) -> str:
    """`MIT OR (Apache-2.0 AND ISC)` in SPDX's spelling; "" for what isn't one, or holds a name that
    isn't one of SPDX's here."""
    words = [
        word.upper() if word.lower() in {"and", "or"} else spdx_id(word) or word
        for word in _WORD.findall(text)
    ]
    named = [word for word in words if word not in {"(", ")"}]
    joined = len(named) % 2 == 1 and all(word in {"AND", "OR"} for word in named[1::2])
    if not joined or not all(map(spdx_id, named[::2])) or kind_of(text) is Kind.UNKNOWN:
        return ""
    return " ".join(words).replace("( ", "(").replace(" )", ")")


def _either(words: list[str]) -> tuple[Kind, list[str]]:
    kind, words = _all(words)
    kinds = [kind]
    while words and words[0].lower() in {"or", "and/or"}:
        kind, words = _all(words[1:])
        kinds.append(kind)
    for each in (Kind.PERMISSIVE, Kind.COPYLEFT):
        if each in kinds:
            return each, words
    return Kind.UNKNOWN, words


def _all(words: list[str]) -> tuple[Kind, list[str]]:
    kind, words = _one(words)
    kinds = [kind]
    while words and words[0].lower() == "and":
        kind, words = _one(words[1:])
        kinds.append(kind)
    return together(kinds), words


def _one(words: list[str]) -> tuple[Kind, list[str]]:
    if words[:1] == ["("]:
        kind, rest = _either(words[1:])
        return (kind, rest[1:]) if rest[:1] == [")"] else (Kind.UNKNOWN, rest)
    name: list[str] = []
    while words and words[0] not in {"(", ")"} and words[0].lower() not in _JOINS:
        name.append(words[0])
        words = words[1:]
    if words and words[0].lower() == "with":  # an exception takes nothing away that asks for source
        words = words[1:]
        while words and words[0] not in {"(", ")"} and words[0].lower() not in _JOINS:
            words = words[1:]
    return _kind_of_name(" ".join(name)), words


def _kind_of_name(name: str) -> Kind:
    low = name.strip().lower()
    if _COPYLEFT.search(low):
        return Kind.COPYLEFT
    if _PERMISSIVE.match(low):
        return Kind.PERMISSIVE
    return Kind.UNKNOWN


# Phrases that only that licence's text has. Several may stand in one file.
_TEXTS = (
    ("AGPL-3.0", r"gnu affero general public license|common-licenses/agpl"),
    ("LGPL", r"gnu (lesser|library) general public license|common-licenses/lgpl"),
    ("GPL", r"gnu general public licen[cs]e|common-licenses/gpl|under the (terms of the )?gpl\b"),
    ("GFDL", r"gnu free documentation license|common-licenses/gfdl"),
    ("MPL-2.0", r"mozilla public license,? (version |v\.? ?)2|common-licenses/mpl-2"),
    ("MPL-1.1", r"mozilla public license,? (version |v\.? ?)1|common-licenses/mpl-1"),
    ("EPL-2.0", r"eclipse public license"),
    ("CDDL-1.0", r"common development and distribution license"),
    ("CC-BY-SA-4.0", r"attribution-sharealike"),
    ("Apache-2.0",
     r"apache license,? ?(version )?2|licenses/license-2\.0|common-licenses/apache-2"),
    ("MIT", r"permission is hereby granted, (free of charge|without written agreement)"),
    ("BSD-3-Clause",
     r"redistribution and use in source and binary forms.*(neither the name|the names? of)"),
    ("BSD-2-Clause", r"redistribution and use in source and binary forms"),
    ("ISC", r"permission to use, copy, modify,? (and/or|and) distribute this software"),
    ("HPND", r"permission to use, copy, modify,? (and|or) (distribute|sell)|"
             r"permission to (use|copy)(, copy)?,? (and )?modify"),
    ("Zlib", r"altered source versions must be plainly marked"),
    ("CC0-1.0", r"cc0 1\.0 universal|creative commons zero"),
    ("Unlicense", r"free and unencumbered software released into the public domain"),
    ("Public-Domain", r"public.domain"),
    ("PostgreSQL", r"postgresql licen[cs]e"),
    ("PSF-2.0", r"python software foundation license"),
    ("Artistic", r"the .?artistic license|common-licenses/artistic"),
    ("BSD-3-Clause", r"common-licenses/bsd"),
    ("FSFAP", r"copying and distribution of this file, with or without modification"),
    ("FSFUL", r"gives unlimited permission to copy"),
    ("WTFPL", r"do what the fuck you want"),
    ("Unicode", r"unicode,? inc"),
)  # fmt: skip


# What a text that begins with these words is as a whole, whatever else it goes on to mention.
_TITLES = (
    ("AGPL-3.0", r"gnu affero general public license version 3"),
    ("LGPL-3.0", r"gnu lesser general public license version 3"),
    ("LGPL-2.1", r"gnu lesser general public license version 2\.1"),
    ("GPL-3.0", r"gnu general public license version 3"),
    ("GPL-2.0", r"gnu general public license version 2"),
    ("MPL-2.0", r"mozilla public license,? version 2\.0"),
    ("Apache-2.0", r"apache license version 2\.0"),
)


def told_by_text(text: str) -> tuple[str, ...]:
    """The licences whose words stand in a text; () when it has none that is known."""
    plain = re.sub(r"[\s*#;/|]*\s[\s*#;|]*", " ", text.lower()).strip()
    for name, words in _TITLES:
        if re.match(words, plain):
            return (name,)
    found = [name for name, words in _TEXTS if re.search(words, plain)]
    if "BSD-3-Clause" in found and "BSD-2-Clause" in found:
        found.remove("BSD-2-Clause")
    return tuple(dict.fromkeys(found))
