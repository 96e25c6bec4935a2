"""What keeps the machine from starting, in words for the person at the terminal."""

from __future__ import annotations

from pathlib import Path

__all__ = ["CannotStart"]


class CannotStart(Exception):
    """Raised before or while the parts start; nothing may be left running when it reaches a person.

    `log` names the file whose end explains the failure, where a part wrote one.
    """

    def __init__(self, message: str, log: Path | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.log = log
