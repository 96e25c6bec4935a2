"""README.md of every role, made from its argument specification and its defaults.

`python -m tests.cluster.readmes` writes them; tests/unit/ansible/test_readmes.py fails when one is
not what would be written. A role says what it does once, in meta/argument_specs.yml; the comments
above a default say what the default means to whom, so they aren't repeated here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

__all__ = ["ROLES", "readme", "role_folders"]

ROLES = Path(__file__).resolve().parents[2] / "ansible" / "roles"
_MADE = (
    "<!-- Made by `python -m tests.cluster.readmes` from meta/argument_specs.yml and defaults. -->"
)
_INLINE = 60


def role_folders() -> list[Path]:
    """Every role, by name."""
    return sorted(path.parent.parent for path in ROLES.glob("*/meta/argument_specs.yml"))


def readme(role: Path) -> str:
    """The role's README: one section per entry point (`main`, `leaf` …)."""
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text("utf-8"))["argument_specs"]
    held = role / "defaults/main.yml"
    defaults = (yaml.safe_load(held.read_text("utf-8")) if held.exists() else None) or {}
    lines = [f"# {role.name}", "", _MADE, ""]
    for entry in sorted(specs, key=lambda name: (name != "main", name)):
        lines += _entry(entry, specs[entry], defaults)
    return "\n".join(lines).rstrip() + "\n"


def _entry(name: str, spec: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[str]:
    if name != "main":
        yield from (f"## Entry point `{name}`", "")
    yield from (_sentence(spec["short_description"]), "")
    described = spec.get("description", [])
    for each in [described] if isinstance(described, str) else described:
        yield f"- {_line(each)}"
    yield ""
    options: Mapping[str, Any] = spec.get("options") or {}
    if options:
        yield from ("| variable | kind | default | meaning |", "| --- | --- | --- | --- |")
        yield from _rows(options, defaults, "")
        yield ""


def _rows(options: Mapping[str, Any], defaults: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, option in options.items():
        kind = option.get("type", "str")
        if option.get("elements"):
            kind = f"{kind} of {option['elements']}"
        described = option.get("description", "")
        told = described if isinstance(described, str) else " ".join(described)
        if option.get("choices"):
            told = f"{told} One of {', '.join(f'`{each}`' for each in option['choices'])}."
        value = _default(name, option, defaults if not prefix else {})
        yield f"| `{prefix}{name}` | {kind} | {value} | {_cell(told)} |"
        yield from _rows(option.get("options") or {}, {}, f"{prefix}{name}.")


def _default(name: str, option: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """Long ones are looked up where they stand, with their comment."""
    if option.get("required"):
        return "required"
    if name not in defaults and "default" not in option:
        return ""
    value = defaults.get(name, option.get("default"))
    if isinstance(value, str) and value:
        text = value
    else:
        text = yaml.safe_dump(value, default_flow_style=True, width=10_000).split("\n")[0]
    text = _line(text)
    return f"`{_cell(text)}`" if len(text) <= _INLINE else "see defaults/main.yml"


def _sentence(text: str) -> str:
    text = _line(text)
    return text if text.endswith((".", "?", "!")) else text + "."


def _line(text: str) -> str:
    return " ".join(str(text).split())


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")


def main() -> None:
    for role in role_folders():
        (role / "README.md").write_text(readme(role), "utf-8")


if __name__ == "__main__":
    main()
