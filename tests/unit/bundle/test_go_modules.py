"""A Go program names its modules; one that can't isn't passed on."""

from __future__ import annotations

import pytest

from bundle.go_modules import Module, modules_of

TOLD = """minio: go1.26.8
\tpath\tgithub.com/minio/minio
\tmod\tgithub.com/minio/minio\tv0.0.1\th1:aaa=
\tdep\tgithub.com/Masterminds/semver\tv1.5.0\th1:bbb=
\tdep\texample.org/old\tv1.0.0
\t=>\texample.org/new\tv1.2.0\th1:ccc=
\tbuild\t-trimpath=true
"""


def test_the_main_module_comes_first_and_a_replaced_one_is_what_replaced_it() -> None:
    assert modules_of(TOLD) == [
        Module("github.com/minio/minio", "v0.0.1", "h1:aaa="),
        Module("github.com/Masterminds/semver", "v1.5.0", "h1:bbb="),
        Module("example.org/new", "v1.2.0", "h1:ccc="),
    ]


@pytest.mark.parametrize("text", ["", "minio: go1.26\n\tmod\tgithub.com/minio/minio\t(devel)\n"])
def test_a_build_that_names_no_sums_is_refused(text: str) -> None:
    with pytest.raises(SystemExit, match="its source can't be told"):
        modules_of(text)
