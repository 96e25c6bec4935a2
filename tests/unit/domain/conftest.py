"""Hypothesis runs the same examples each time here: a failure in CI is one on the desk too."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("domain", deadline=None, derandomize=True, database=None)
settings.load_profile("domain")
