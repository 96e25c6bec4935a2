"""`--exclude PATTERN`, as people know it from rsync and git.

Without a slash a pattern matches the name at any depth; with one, the path from the folder that
was given. `*` and `?` stop at a slash, `**` doesn't; a final slash means folders only. What is in
an excluded folder is excluded with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Excludes"]


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    whole_path: bool
    folders_only: bool


@dataclass(frozen=True, slots=True)
class Excludes:
    rules: tuple[_Rule, ...] = ()

    @classmethod
    def parse(cls, patterns: Sequence[str]) -> Excludes:
        return cls(tuple(_rule(pattern) for pattern in patterns))

    def match(self, path: str, is_folder: bool) -> bool:
        """`path` is relative to the folder that was given, with slashes."""
        name = path.rpartition("/")[2]
        return any(
            (is_folder or not rule.folders_only)
            and rule.pattern.fullmatch(path if rule.whole_path else name) is not None
            for rule in self.rules
        )


def _rule(text: str) -> _Rule:
    folders_only = text.endswith("/")
    text = text.rstrip("/")
    whole_path = "/" in text
    return _Rule(re.compile(_expression(text.lstrip("/")), re.DOTALL), whole_path, folders_only)


def _expression(glob: str) -> str:
    out, at = "", 0
    while at < len(glob):
        char = glob[at]
        if glob.startswith("**/", at):
            out, at = out + "(?:.*/)?", at + 3
        elif glob.startswith("**", at):
            out, at = out + ".*", at + 2
        elif char == "*":
            out, at = out + "[^/]*", at + 1
        elif char == "?":
            out, at = out + "[^/]", at + 1
        elif char == "[" and (end := glob.find("]", at + 2)) > 0:
            inside = glob[at + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            inside = "^" + inside[1:] if inside[0] in "!^" else inside
            out, at = out + f"[{inside}]", end + 1
        else:
            out, at = out + re.escape(char), at + 1
    return out
