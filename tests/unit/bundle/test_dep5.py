"""Every licence of every file counts, also one under a name that only its text explains."""

from __future__ import annotations

from bundle.dep5 import licences_of, stanzas

FORMAT = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"


def test_each_paragraph_of_files_counts() -> None:
    text = FORMAT + (
        "\nFiles: *\nCopyright: somebody\nLicense: Expat\n"
        "\nFiles: lib/*\n  more/*\nCopyright: another\nLicense: GPL-2+ or Artistic\n Text of it\n"
        "\nLicense: Expat\n Permission is hereby granted, free of charge\n"
    )
    assert licences_of(text) == ("Expat", "GPL-2+ or Artistic")


def test_a_name_of_their_own_is_explained_by_its_text() -> None:
    text = FORMAT + (
        "\nFiles: *\nCopyright: x\nLicense: Foo-style\n\nLicense: Foo-style\n"
        " Redistribution and use in source and binary forms, with or without\n .\n modification\n"
    )
    assert licences_of(text) == ("BSD-2-Clause",)


def test_a_name_that_nobody_explains_stays() -> None:
    text = FORMAT + "\nFiles: *\nCopyright: x\nLicense: Foo-style\n  Do as you please on Mondays.\n"
    assert licences_of(text) == ("Foo-style",)


def test_prose_is_read_for_what_is_well_known() -> None:
    prose = "This package was debianized by ...\n\nOn Debian: /usr/share/common-licenses/GPL-2\n"
    assert licences_of(prose) == ("GPL",)
    assert licences_of("Ask the author.") == ()


def test_stanzas_keep_continued_lines() -> None:
    found = stanzas("Package: a\nDescription: short\n long\n\n# remark\nPackage: b\n")
    assert found == [{"Package": "a", "Description": "short\nlong"}, {"Package": "b"}]
