"""Where bundles are made, and what is kept between two of them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.cluster.places import REPOSITORY
from tests.cluster.places import cache as lab_cache

__all__ = ["OUT", "REPOSITORY", "bundle_name", "cache", "commit_time", "release_folder", "version"]

OUT = REPOSITORY / "var" / "bundle"


def cache() -> Path:
    """Downloads; XDG_CACHE_HOME moves it."""
    return lab_cache().with_name("bundle")


def version() -> str:
    text = (REPOSITORY / "appliance" / "__init__.py").read_text()
    found = re.search(r'(?m)^__version__ = "(.+)"', text)
    assert found
    return found.group(1)


def bundle_name() -> str:
    return f"stowbay-{version()}-debian13-amd64"


def release_folder() -> Path:
    """What `make release` made."""
    return REPOSITORY / "var" / "release" / f"stowbay-{version()}-py3.13"


def commit_time() -> int:
    """Of the last commit, in seconds since the epoch: the same sources, the same bytes. As
    elsewhere SOURCE_DATE_EPOCH has the last word."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    if given.isdigit():
        return int(given)
    command = ["git", "log", "-1", "--format=%ct"]
    done = subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True)
    return int(done.stdout)
