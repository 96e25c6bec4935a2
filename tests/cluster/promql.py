"""The names of series in PromQL, by a reader that knows no more than our expressions need."""

from __future__ import annotations

import re

__all__ = ["used_metrics"]

_WORDS = {
    "and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "bool",
    "offset", "inf", "nan",
}  # fmt: skip


def used_metrics(expression: str) -> set[str]:
    """What is no function, word, label, string or number."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
    bare = re.sub(r"{[^}]*}|\[[^\]]*\]", " ", bare)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", r" ", bare)
    names = re.finditer(r"(?<![\w.:])[a-zA-Z_:][\w:]*(?!\s*\(|[\w:])", bare)
    return {found[0] for found in names} - _WORDS
