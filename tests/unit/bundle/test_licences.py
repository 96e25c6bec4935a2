"""What isn't known asks for a person; a choice takes what asks least; all that apply ask most."""

from __future__ import annotations

import pytest

from bundle.licences import (
    Kind,
    kind_of,
    names_in,
    spdx_expression,
    spdx_id,
    together,
    told_by_text,
)


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("MIT", Kind.PERMISSIVE),
        ("Apache-2.0 OR BSD-3-Clause", Kind.PERMISSIVE),
        ("AGPL-3.0-only", Kind.COPYLEFT),
        ("LGPL-2.1+", Kind.COPYLEFT),
        ("GPL-2+ with OpenSSL exception", Kind.COPYLEFT),
        ("GNU General Public License v3 or later", Kind.COPYLEFT),
        ("MPL-2.0", Kind.COPYLEFT),
        ("MIT OR GPL-3.0-or-later", Kind.PERMISSIVE),
        ("MIT AND GPL-3.0-or-later", Kind.COPYLEFT),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", Kind.PERMISSIVE),
        ("(MIT OR Apache-2.0) AND LGPL-2+", Kind.COPYLEFT),
        ("Apache-2.0 WITH LLVM-exception", Kind.PERMISSIVE),
        ("GPL-1+ or Artistic, and Expat", Kind.PERMISSIVE),
        ("MIT OR Nobody-Knows", Kind.PERMISSIVE),
        ("MIT AND Nobody-Knows", Kind.UNKNOWN),
        ("Nobody-Knows OR GPL-2", Kind.COPYLEFT),
        ("Proprietary", Kind.UNKNOWN),
        ("(MIT", Kind.UNKNOWN),
        ("MIT)", Kind.UNKNOWN),
        ("", Kind.UNKNOWN),
        ("and", Kind.UNKNOWN),
    ],
)
def test_what_an_expression_asks(expression: str, kind: Kind) -> None:
    assert kind_of(expression) is kind


def test_together_the_most_is_asked() -> None:
    assert together([Kind.PERMISSIVE, Kind.COPYLEFT, Kind.UNKNOWN]) is Kind.COPYLEFT
    assert together([Kind.PERMISSIVE, Kind.UNKNOWN]) is Kind.UNKNOWN
    assert together([Kind.PERMISSIVE]) is Kind.PERMISSIVE
    assert together([]) is Kind.UNKNOWN


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("  GNU AFFERO GENERAL PUBLIC LICENSE\n   Version 3, 19 November 2007\n", ("AGPL-3.0",)),
        ("                   GNU GENERAL PUBLIC LICENSE\n  Version 3\n ... GNU Lesser General "
         "Public License", ("GPL-3.0",)),
        ("Mozilla Public License, version 2.0\n\nGNU General Public License", ("MPL-2.0",)),
        (" * Permission is hereby granted, free\n * of charge, to any person", ("MIT",)),
        ("Redistribution and use in source and binary forms\n3. Neither the name of",
         ("BSD-3-Clause",)),
        ("On Debian systems see /usr/share/common-licenses/LGPL-2.1", ("LGPL",)),
        ("All rights reserved.", ()),
        ("", ()),
    ],
)  # fmt: skip
def test_what_a_text_says(text: str, names: tuple[str, ...]) -> None:
    assert told_by_text(text) == names


def test_names_for_people_and_for_the_bill() -> None:
    assert names_in("(MIT OR Apache-2.0) AND GPL-2+") == ["MIT", "Apache-2.0", "GPL-2+"]
    assert spdx_id("mit") == "MIT"
    assert spdx_id("GPL-2+") == ""


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("MIT OR Apache-2.0", "MIT OR Apache-2.0"),
        ("mit or (apache-2.0 and Isc)", "MIT OR (Apache-2.0 AND ISC)"),
        ("MIT", "MIT"),
        ("GPL-2+ or MIT", ""),  # Debian's name
        ("MIT, and ISC", ""),
        ("Apache-2.0 WITH LLVM-exception", ""),
        ("MIT MIT", ""),
        ("MIT OR", ""),
        ("(MIT OR ISC", ""),
        ("OR", ""),
        ("", ""),
    ],
)
def test_an_expression_is_one_of_spdxs_names_alone(text: str, expression: str) -> None:
    assert spdx_expression(text) == expression
