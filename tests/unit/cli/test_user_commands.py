"""The command line as an interface: verbs, options and exit codes are what the documents say."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest

from appliance.cli import exits, main
from appliance.cli.cat import parse_range
from appliance.cli.main import VERBS
from appliance.client.errors import ALL_LOCAL, FileChanged, from_os
from appliance.domain.errors import ALL, NotFound, QuotaExceeded

DOCS = Path(__file__).resolve().parents[3] / "docs" / "reference"


def commands(command: click.Command) -> list[click.Command]:
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    return [command, *inner]


def test_every_code_of_a_problem_has_an_exit_code_and_no_other() -> None:
    assert set(exits.BY_CODE) == set(ALL) | set(ALL_LOCAL)
    assert set(exits.BY_CODE.values()) <= set(exits.MEANINGS)


def test_the_document_of_exit_codes_is_the_table() -> None:
    text = (DOCS / "exit-codes.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| (.*?) \| (.*?) ?\|$", text, re.MULTILINE)
    assert {int(number): meaning for number, meaning, _ in rows} == exits.MEANINGS
    listed = {
        code: int(number) for number, _, codes in rows for code in re.findall(r"`(.+?)`", codes)
    }
    assert listed == exits.BY_CODE


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_and_option_is_documented(verb: str) -> None:
    text = (DOCS / "cli.md").read_text("utf-8")
    found = re.search(rf"^### {verb}\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"cli.md has no section on {verb}"
    module = import_module(f"appliance.cli.{verb}")
    for command in commands(module.command):
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                names = [name for name in option.opts if name.startswith("--")] or option.opts
                assert any(f"{name}" in found[1] for name in names), names


def test_every_verb_documented_exists() -> None:
    text = (DOCS / "cli.md").read_text("utf-8")
    assert set(re.findall(r"^### (\w+)$", text, re.MULTILINE)) == set(VERBS)


def test_every_variable_read_is_documented() -> None:
    text = (DOCS / "cli.md").read_text("utf-8")
    root = Path(main.__file__).parents[1]
    sources = [*(root / "client").rglob("*.py"), *(root / "cli").glob("*.py")]
    used = {
        name
        for source in sources
        if not source.name.startswith("admin")
        for name in re.findall(r"\"(STOWBAY_[A-Z_]+)\"", source.read_text("utf-8"))
    }
    assert used
    assert {name for name in used if f"`{name}`" not in text} == set()


def test_a_run_of_many_things() -> None:
    assert exits.of_run([], 0) == exits.OK
    assert exits.of_run([NotFound()], 0) == exits.NOT_FOUND
    assert exits.of_run([NotFound()], 5) == exits.PARTIAL
    assert exits.of_run([NotFound(), QuotaExceeded()], 0) == exits.PARTIAL
    assert exits.of_run([QuotaExceeded(), QuotaExceeded()], 0) == exits.QUOTA


def test_a_problem_is_found_inside_groups() -> None:
    problem = FileChanged("f")
    wrapped = ExceptionGroup("a", [ValueError(), ExceptionGroup("b", [problem])])
    assert exits.first_problem(wrapped) is problem
    assert exits.first_problem(ExceptionGroup("a", [ValueError()])) is None


def test_a_full_disk_is_told_from_other_faults() -> None:
    assert from_os(OSError(28, "No space left on device", "/f")).code == "disk-full"
    assert from_os(OSError(13, "Permission denied", "/f")).code == "local-fault"
    assert str(from_os(OSError(13, "Permission denied", "/f"))) == "/f: Permission denied."


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [
        ("0-0", 10, (0, 1)),
        ("2-5", 10, (2, 6)),
        ("2-99", 10, (2, 10)),
        ("3-", 10, (3, 10)),
        ("-4", 10, (6, 10)),
        ("-99", 10, (0, 10)),
        ("20-30", 10, (10, 10)),
        ("0-", 0, (0, 0)),
    ],
)
def test_ranges(text: str, size: int, expected: tuple[int, int]) -> None:
    assert parse_range(text, size) == expected


@pytest.mark.parametrize("text", ["", "-", "a-b", "5-2", "1", "1-2-3", "-1-2", "٣-٤"])
def test_ranges_that_make_no_sense(text: str) -> None:
    with pytest.raises(click.BadParameter):
        parse_range(text, 10)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main.main(list(arguments))
    code: Any = ended.value.code
    return int(code)


def test_without_a_profile_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STOWBAY_PROFILE", str(tmp_path))
    assert run("ls") == exits.SIGN_IN
    assert "stowbay login" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["nope"],
        ["put"],
        ["put", "/remote-only"],
        ["put", "-", "/into/"],
        ["login", "http://plain.example"],
        ["uploads", "abort"],
    ],
)  # fmt: skip
def test_a_command_line_that_makes_no_sense(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOWBAY_PROFILE", str(tmp_path))
    monkeypatch.delenv("STOWBAY_URL", raising=False)
    assert run(*arguments) == exits.USAGE


def test_help_of_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    shown = capsys.readouterr().out
    for verb in VERBS:
        assert verb in shown
        assert run(verb, "--help") == 0
