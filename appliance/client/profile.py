"""Who is signed in where: a directory with profile.json (0600) and a copy of the server's CA.

$STOWBAY_PROFILE, else $XDG_CONFIG_HOME/stowbay, else ~/.config/stowbay. The CA is copied, so that
the profile goes on working when the file given at sign-in moves. Written by rename: a reader sees
the old profile or the new one.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

import msgspec

from appliance.client.errors import LocalFault, NotSignedIn, from_os

__all__ = ["Profile", "context", "directory", "forget", "load", "save"]

_NAME = "profile.json"


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    login: str
    space: str
    root: str
    """Id of the space's root folder: saves a call in every command."""
    token: str
    ca: str | None = None
    """PEM text; None: the system's certificates."""


def directory(env: Mapping[str, str]) -> Path:
    if chosen := env.get("STOWBAY_PROFILE"):
        return Path(chosen)
    home = env.get("XDG_CONFIG_HOME") or str(Path(env.get("HOME", "~")).expanduser() / ".config")
    return Path(home) / "stowbay"


def load(place: Path) -> Profile:
    try:
        return msgspec.json.decode((place / _NAME).read_bytes(), type=Profile)
    except FileNotFoundError:
        raise NotSignedIn("You aren't signed in. Run: stowbay login URL") from None
    except OSError as error:
        raise from_os(error) from error
    except msgspec.DecodeError as error:
        raise LocalFault(f"{place / _NAME} is damaged ({error}). Sign in again.") from error


def save(place: Path, profile: Profile) -> None:
    """0600 from its first byte on: it holds the token."""
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = place / f".{_NAME}.{os.getpid()}"
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(msgspec.json.format(msgspec.json.encode(profile), indent=2) + b"\n")
        fresh.replace(place / _NAME)
    except OSError as error:
        raise from_os(error) from error


def forget(place: Path) -> None:
    (place / _NAME).unlink(missing_ok=True)


def context(ca: str | None) -> ssl.SSLContext:
    """One for all connections of a run. `ca` is trusted instead of the system's certificates."""
    try:
        made = ssl.create_default_context(cadata=ca)
    except ssl.SSLError as error:
        raise LocalFault(f"The CA isn't a PEM certificate ({error.reason}).") from error
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made
