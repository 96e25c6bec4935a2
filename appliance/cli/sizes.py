"""Sizes as people write them: 500M, 1.5G; powers of 1024."""

from __future__ import annotations

import click

__all__ = ["format_size", "parse_size"]

_UNITS = ("B", "K", "M", "G", "T", "P")


def parse_size(text: str) -> int:
    """Bytes. Raises click.BadParameter."""
    plain = text.strip().upper().removesuffix("IB").removesuffix("B")
    number, unit = (plain[:-1], plain[-1]) if plain[-1:] in _UNITS[1:] else (plain, "B")
    try:
        size = round(float(number) * (1 << 10 * _UNITS.index(unit)))
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(f"{text!r} is no size; write 500M or 1.5G") from error
    if size < 0:
        raise click.BadParameter("a size is zero or more")
    return size


def format_size(size: int) -> str:
    value = float(size)
    for unit in _UNITS:
        if value < 1024 or unit == _UNITS[-1]:
            break
        value /= 1024
    return f"{size} B" if unit == "B" else f"{value:.1f} {unit}iB"
