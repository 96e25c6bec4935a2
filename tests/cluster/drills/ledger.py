"""What the clients were told, and what may therefore be there. Pure.

An operation is noted before it is sent (`unknown` from then on), and settled when it is
acknowledged or refused. A file's true state is then its last acknowledged one, or that of any
operation after it whose outcome nobody knows: nothing else is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["Ledger", "State", "Violation"]


@dataclass(frozen=True)
class State:
    """Of one file: its name, or None where it isn't in its folder (not made, or in the trash);
    its sha256, None for the empty file."""

    name: str | None
    sha256: str | None = None


@dataclass(frozen=True)
class Violation:
    folder: str
    what: str


@dataclass
class _File:
    possible: list[State]  # the acknowledged state first, then what may have happened since
    noted: int = 0


@dataclass
class Ledger:
    """Of one folder that only one writer changes; files by the writer's own key."""

    folder: str
    files: dict[str, _File] = field(default_factory=dict)
    acknowledged: int = 0

    def sending(self, key: str, wanted: State) -> None:
        file = self.files.setdefault(key, _File([State(None)]))
        file.possible.append(wanted)
        file.noted += 1

    def confirmed(self, key: str) -> None:
        """The last operation of this file was acknowledged: all before it is history."""
        file = self.files[key]
        file.possible = file.possible[-1:]
        self.acknowledged += 1

    def refused(self, key: str) -> None:
        """It certainly didn't happen."""
        self.files[key].possible.pop()

    def known(self) -> Iterable[tuple[str, State]]:
        """Files whose state is beyond doubt."""
        return ((key, f.possible[0]) for key, f in self.files.items() if len(f.possible) == 1)

    def compare(self, found: Mapping[str, str | None]) -> list[Violation]:
        """`found`: name -> sha256 of everything in the folder."""
        wrong = []
        explained = set()
        for key, file in self.files.items():
            names = {state.name for state in file.possible if state.name is not None}
            there = {name for name in names if name in found}
            explained |= names
            if not there and State(None) not in file.possible:
                wrong.append(Violation(self.folder, f"{key}: acknowledged as {names}, gone"))
            if len(there) > 1:
                wrong.append(Violation(self.folder, f"{key}: at {sorted(there)} at once"))
            for name in there:
                right = {state.sha256 for state in file.possible if state.name == name}
                if found[name] not in right:
                    wrong.append(Violation(self.folder, f"{name}: other content: {found[name]}"))
        wrong += [
            Violation(self.folder, f"{name}: nobody made it") for name in found.keys() - explained
        ]
        return wrong
