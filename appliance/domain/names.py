"""What a node may be called, and where a symbolic link may point.

Names are unique exactly as stored: NFC, at most 255 bytes of UTF-8, nothing that could end a
line, a header or a path, and nothing that makes a name look like another one. A name that only
Windows can't hold, or a twin that differs only in case, is accepted and flagged: refusing it would
lose a file that its owner has. A name is data, so what is refused is named by code point and
never printed back raw.
"""

from __future__ import annotations

import unicodedata

from appliance.domain.errors import InvalidName

__all__ = [
    "CASE_TWIN",
    "MAX_NAME_BYTES",
    "MAX_TARGET_BYTES",
    "WINDOWS_UNFIT",
    "check_name",
    "check_target",
    "flags",
    "fold",
    "split_path",
]

MAX_NAME_BYTES = 255
MAX_TARGET_BYTES = 4095

# Bits of a node's flags. The second one needs the siblings: the store compares fold() values.
WINDOWS_UNFIT = 1
CASE_TWIN = 2

_CONTROLS = [*range(0x20), *range(0x7F, 0xA0)]
_SEPARATORS = [0x2028, 0x2029]
# Unicode's property Bidi_Control: an "exe" can be made to look like a "txt" with any of them.
_BIDI = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_REFUSED = frozenset(map(chr, [*_CONTROLS, *_SEPARATORS, *_BIDI, ord("/")]))

# https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file
_WINDOWS_CHARACTERS = frozenset('<>:"|?*\\')
_WINDOWS_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [port + digit for port in ("com", "lpt") for digit in "0123456789¹²³"]
)


def _encoded(text: str, what: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidName(f"{what} isn't valid Unicode: it has half of a surrogate pair.") from None


def check_name(text: str) -> str:
    """The name as it is stored (NFC). Raises InvalidName and says what is wrong."""
    if not text:
        raise InvalidName("A name can't be empty.")
    _encoded(text, "The name")
    name = unicodedata.normalize("NFC", text)
    if name in (".", ".."):
        raise InvalidName(f"A node can't be called {name!r}.")
    for place, character in enumerate(name):
        if character in _REFUSED:
            raise InvalidName(
                f"The name has U+{ord(character):04X} at position {place}, which isn't allowed."
            )
    length = len(_encoded(name, "The name"))
    if length > MAX_NAME_BYTES:
        raise InvalidName(f"The name takes {length} bytes of UTF-8; {MAX_NAME_BYTES} is the most.")
    return name


def check_target(text: str) -> str:
    """A link's target is kept as it is, never normalised and never followed."""
    if not text:
        raise InvalidName("A link's target can't be empty.")
    if "\0" in text:
        raise InvalidName("A link's target can't hold U+0000.")
    length = len(_encoded(text, "The link's target"))
    if length > MAX_TARGET_BYTES:
        raise InvalidName(
            f"The link's target takes {length} bytes of UTF-8; {MAX_TARGET_BYTES} is the most."
        )
    return text


def flags(name: str) -> int:
    """What a client must know before it writes the name to its own disk (WINDOWS_UNFIT or 0)."""
    stem = name.split(".", 1)[0].rstrip(" ").casefold()
    unfit = (
        name.endswith((".", " "))
        or stem in _WINDOWS_DEVICES
        or not _WINDOWS_CHARACTERS.isdisjoint(name)
    )
    return WINDOWS_UNFIT if unfit else 0


def fold(name: str) -> str:
    """Equal for names that a file system without case (Windows, macOS) takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def split_path(path: str) -> tuple[str, ...]:
    """The checked names of an absolute path; "/" has none. Doubled and final slashes say nothing.

    There is no "..": a path is looked up name by name, so it can only go down.
    """
    if not path.startswith("/"):
        raise InvalidName("A path in a space begins with '/'.")
    return tuple(check_name(name) for name in path.split("/") if name)
