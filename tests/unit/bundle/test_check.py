"""The bill names everything; what asks for source has it; what nobody knows stops the bundle."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bundle.check import Decision, decided, findings, parse_decisions
from bundle.notices import notices_text
from bundle.parts import Part
from bundle.sbom import bom_of, properties

FREE = Part("pkg:pypi/free@1", "free", "1", ("MIT",), "wheels/host/free.whl", "aa",
            notice="licences/free")  # fmt: skip
STRICT = Part("pkg:deb/debian/strict@2?arch=amd64", "strict", "2", ("GPL-2+", "Expat"),
              "apt/strict.deb", "bb", ("sources/debian/strict.dsc",),
              notice="licences/strict")  # fmt: skip
STRANGE = Part("pkg:golang/x.org/strange@v3", "x.org/strange", "v3", (), holders=(FREE.purl,))
_OTHERS = (*STRICT.sources, FREE.notice, STRICT.notice, "apt/Packages", "apt/Release", "README.md")
FILES = {FREE.file: "aa", STRICT.file: "bb", **dict.fromkeys(_OTHERS, "cc")}


def checked(
    *parts: Part, files: dict[str, str] = FILES, told: tuple[Decision, ...] = ()
) -> list[str]:
    given, wrong = decided(parts, told)
    return [each.text for each in wrong + findings(bom_of(parts, given, "0.1.0", 0), files)]


def without(name: str) -> dict[str, str]:
    return {file: digest for file, digest in FILES.items() if file != name}


def test_a_bundle_with_all_it_needs_passes() -> None:
    assert checked(FREE, STRICT) == []


def test_copyleft_without_its_source_is_refused() -> None:
    (found,) = checked(FREE, replace(STRICT, sources=()))
    assert "strict" in found and "asks for its source" in found


def test_a_source_that_is_named_but_not_there_is_refused() -> None:
    (found,) = checked(FREE, STRICT, files=without("sources/debian/strict.dsc"))
    assert "sources/debian/strict.dsc isn't in the bundle" in found


def test_a_licence_whose_text_is_not_there_is_refused() -> None:
    (found,) = checked(FREE, replace(STRICT, notice=""))
    assert "strict" in found and "its licence's text isn't in the bundle" in found
    (found,) = checked(replace(FREE, notice=""), STRICT)
    assert "free" in found and "its licence's text" in found
    (found,) = checked(FREE, STRICT, files=without(STRICT.notice))
    assert "notice licences/strict isn't in the bundle" in found


def test_of_what_is_linked_in_only_copyleft_must_show_its_text() -> None:
    inner = replace(STRANGE, licences=("MIT",))
    assert checked(FREE, STRICT, inner) == []
    strict = replace(inner, licences=("LGPL-2.1+",), sources=STRICT.sources)
    (found,) = checked(FREE, STRICT, strict)
    assert "strange" in found and "its licence's text" in found


def test_names_that_nobody_knows_may_stand_beside_one_that_asks_for_source() -> None:
    assert checked(FREE, replace(STRICT, licences=("GPL-2+", "Custom"))) == []
    (found,) = checked(replace(FREE, licences=("MIT", "Custom")), STRICT)
    assert "licence can't be told (MIT, Custom)" in found


def test_only_what_is_asked_of_who_passes_it_on_may_be_lacking_on_own_hosts() -> None:
    parts = [replace(STRICT, sources=()), STRANGE]
    found = findings(bom_of(parts, {}, "0.1.0", 0), FILES)
    assert [each.conveying for each in found] == [True, True, False]
    assert found[2].text == f"{FREE.file}: isn't in the bill of materials"


def test_a_file_may_be_its_own_source() -> None:
    assert checked(FREE, replace(STRICT, sources=(), is_source=True)) == []


@pytest.mark.parametrize(
    "name", ["store/minio", "store/SHA256SUMS", "store/ySHA256SUMS", "apt/xRelease",
             "apt/more/Packages", "wheels/requirements.txt"],
)  # fmt: skip
def test_a_program_that_the_bill_lacks_is_refused(name: str) -> None:
    files = {**FILES, name: "dd"}
    assert checked(FREE, STRICT, files=files) == [f"{name}: isn't in the bill of materials"]


@pytest.mark.parametrize("digest", ["", "ab", "aa"])
def test_a_file_that_is_not_the_bills_is_refused(digest: str) -> None:
    (found,) = checked(FREE, STRICT, files={**FILES, STRICT.file: digest})
    assert found == f"{STRICT.purl}: apt/strict.deb hasn't the SHA-256 that the bill says"
    (found,) = checked(FREE, replace(STRICT, sha256=""))
    assert "hasn't the SHA-256" in found


def test_an_unknown_licence_needs_a_person() -> None:
    (found,) = checked(FREE, STRICT, STRANGE)
    assert "licence can't be told" in found and "reviewed.toml" in found
    told = Decision("pkg:golang/x.org/strange", ("BSD-3-Clause",), "read its files")
    assert checked(FREE, STRICT, STRANGE, told=(told,)) == []


def test_a_person_who_finds_copyleft_still_needs_the_source() -> None:
    told = Decision("pkg:golang/x.org/strange", ("MPL-2.0",), "read its files")
    (found,) = checked(FREE, STRICT, replace(STRANGE, notice=FREE.notice), told=(told,))
    assert "asks for its source" in found


@pytest.mark.parametrize("key", ["pkg:pypi/free", "pkg:pypi/gone"])
def test_a_decision_that_is_needless_is_taken_out(key: str) -> None:
    (found,) = checked(FREE, STRICT, told=(Decision(key, ("MIT",), "because"),))
    assert found.startswith(f"reviewed.toml: {key}:")


@pytest.mark.parametrize(
    "entry",
    [
        {"part": "a", "licences": ["MIT"]},
        {"part": "a", "licences": ["MIT"], "reason": " "},
        {"part": "a", "licences": ["Whatever"], "reason": "because"},
        {"part": "a", "licences": [], "reason": "because"},
    ],
)
def test_a_decision_says_all(entry: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        parse_decisions({"decision": [entry]})


def test_the_bill_is_the_same_whatever_the_order() -> None:
    one = bom_of([FREE, STRICT, STRANGE], {}, "0.1.0", 1_700_000_000)
    assert json.dumps(one) == json.dumps(
        bom_of([STRANGE, STRICT, FREE], {}, "0.1.0", 1_700_000_000)
    )
    assert one["specVersion"] == "1.6"
    assert one["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
    assert len({each["bom-ref"] for each in one["components"]}) == 3


def test_a_component_says_what_a_scanner_and_a_person_need() -> None:
    bom = bom_of([FREE, STRICT, STRANGE], {STRANGE.key: ("BSD-3-Clause",)}, "0.1.0", 0)
    by_name = {each["name"]: each for each in bom["components"]}
    strict = by_name["strict"]
    assert strict["hashes"] == [{"alg": "SHA-256", "content": "bb"}]
    assert [each["license"].get("name") for each in strict["licenses"]] == ["GPL-2+", "Expat"]
    assert properties(strict, "source") == ["sources/debian/strict.dsc"]
    strange = by_name["x.org/strange"]
    assert strange["licenses"] == [
        {"license": {"id": "BSD-3-Clause", "acknowledgement": "concluded"}}
    ]
    assert properties(strange, "within") == [FREE.purl]
    assert by_name["free"]["licenses"][0]["license"]["id"] == "MIT"
    assert bom["dependencies"][0]["dependsOn"] == ["apt/strict.deb", "wheels/host/free.whl"]


def test_the_notices_say_where_the_source_lies() -> None:
    text = notices_text(bom_of([STRICT, replace(FREE, is_source=True)], {}, "0.1.0", 0))
    assert "| strict | 2 | GPL-2+; Expat | licences/strict | sources/debian/strict.dsc |" in text
    assert "| free | 1 | MIT | licences/free | itself |" in text
