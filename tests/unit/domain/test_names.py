from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.domain import names
from appliance.domain.errors import InvalidName

REFUSED = [
    "",
    ".",
    "..",
    "a/b",
    "/",
    "a\0b",
    "a\r\nSet-Cookie: x",
    "tab\there",
    "del\x7f",
    "c1\x85",
    "\u2028",
    "a\u2029b",
    "inv\u202eexe.txt",
    "\u202a",
    "\u2066x\u2069",
    "\u200e",
    "a\u200fb",
    "\u061ca",
    "half \ud83d pair",
    "\udcff",
    "x" * 256,
    "é" * 128,
    "😀" * 64,
]
TAKEN = [
    "a",
    "...",
    " ",
    ".hidden",
    "Ünïcode",
    "😀 four bytes",
    "x" * 255,
    "😀" * 63,
    "日本語",
    "back\\slash",
    "zero\u200bwidth",
    "שלום",
]


@pytest.mark.parametrize("text", REFUSED, ids=ascii)
def test_a_name_that_could_deceive_or_break_a_line_is_refused(text: str) -> None:
    with pytest.raises(InvalidName) as caught:
        names.check_name(text)
    assert caught.value.detail.isprintable()
    assert "\n" not in caught.value.detail


@pytest.mark.parametrize("text", TAKEN, ids=ascii)
def test_other_names_are_kept(text: str) -> None:
    assert names.check_name(text) == unicodedata.normalize("NFC", text)


@given(st.text(min_size=1, max_size=80))
@example("e\u0301")
@example("\u212b")  # one code point that NFC replaces
@example("\u0958" * 60)  # a composition exclusion: NFC makes it longer
def test_what_is_accepted_is_stable_and_safe(text: str) -> None:
    try:
        name = names.check_name(text)
    except InvalidName:
        return
    assert names.check_name(name) == name == unicodedata.normalize("NFC", text)
    assert 0 < len(name.encode("utf-8")) <= 255
    assert not any(unicodedata.category(c) == "Cc" for c in name)
    assert not set("/\u2028\u2029") & set(name)
    assert not any(
        unicodedata.bidirectional(c)
        in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        for c in name
    )


def test_the_length_is_that_of_the_stored_form() -> None:
    assert names.check_name("e\u0301" * 127) == "é" * 127  # 381 bytes as typed, 254 as stored


@pytest.mark.parametrize(
    "name",
    ["CON", "con", "Nul.txt", "com1", "LPT9.tar.gz", "com²", "aux .c", "conin$", "a.", "a ", "...",
     "a<b", "a>b", "a:b", 'a"b', "a|b", "a?b", "a*b", "a\\b"],
)  # fmt: skip
def test_names_that_windows_cannot_hold_are_flagged(name: str) -> None:
    assert names.flags(names.check_name(name)) == names.WINDOWS_UNFIT


@pytest.mark.parametrize(
    "name", ["console", "a.con", "com", "com10", "a b", ".a", "nul_", "é", " a"]
)
def test_names_that_it_can_are_not(name: str) -> None:
    assert names.flags(name) == 0


def test_twins_fold_together() -> None:
    assert names.fold("README") == names.fold("readme")
    assert names.fold("STRASSE") == names.fold("straße")
    assert names.fold("É") == names.fold("e\u0301")
    assert names.fold("a") != names.fold("b")


@given(st.text(max_size=40))
def test_folding_is_stable(text: str) -> None:
    assert names.fold(names.fold(text)) == names.fold(text)


@pytest.mark.parametrize("target", ["a", "../..", "/etc/passwd", "x" * 4095, "a\nb", "\u202e"])
def test_a_link_may_point_anywhere_and_keeps_its_text(target: str) -> None:
    assert names.check_target(target) == target


@pytest.mark.parametrize("target", ["", "a\0", "x" * 4096, "é" * 2048, "\udcff"], ids=ascii)
def test_a_target_that_no_system_holds_is_refused(target: str) -> None:
    with pytest.raises(InvalidName):
        names.check_target(target)


def test_paths_are_split_into_checked_names() -> None:
    assert names.split_path("/") == ()
    assert names.split_path("/a/b") == ("a", "b")
    assert names.split_path("//a/e\u0301/") == ("a", "é")
    for path in ("", "a/b", "/a/../b", "/.", "/a\nb"):
        with pytest.raises(InvalidName):
            names.split_path(path)
