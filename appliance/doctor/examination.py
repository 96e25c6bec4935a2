"""All checks, side by side, each with a time limit; what can't be looked at says why.

What stands on something that is broken isn't looked at: the report names the fault, and not all
that follows from it.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from appliance import __version__
from appliance.doctor import from_alone, from_host, from_outside
from appliance.doctor.notes import Notes, Options
from appliance.doctor.report import Check, Line, Report, Whence
from appliance.doctor.report import worst as worst_of
from appliance.settings import Settings

__all__ = ["Options", "examine"]

_ORDER = {check.value: place for place, check in enumerate(Check)}


async def examine(settings: Settings | None, options: Options) -> Report:
    """With settings from the host that they are of; from outside by `options.url`; with neither
    what the host by itself tells.

    The entry for whoever wants the report: it raises LocalFault for a CA that can't be read, and
    nothing for what is wrong with the system.
    """
    at, began = datetime.now(UTC), time.monotonic()
    notes = Notes(options.seconds)
    if settings is not None:
        await from_host.examine(settings, options, notes)
    elif options.url:
        await from_outside.examine(options, notes)
    else:
        await from_alone.examine(options, notes)
    return Report(
        whence=Whence.OUTSIDE if options.url else Whence.HOST,
        version=__version__,
        at=at,
        seconds=round(time.monotonic() - began, 3),
        worst=worst_of(notes.lines),
        lines=tuple(sorted(notes.lines, key=_place)),
        unexamined=tuple(sorted(notes.unexamined, key=lambda each: _ORDER[each.check])),
    )


def _place(each: Line) -> tuple[int, str, str]:
    """The doctor's own lines last."""
    return _ORDER.get(each.code.partition(".")[0], len(_ORDER)), each.subject, each.code
