"""A person's first minutes with a cluster: sign in, put a tree, get it elsewhere, compare."""

from __future__ import annotations

import filecmp
import os
import random
import tempfile
from pathlib import Path

from tests.cluster.addresses import PUBLIC_NAME
from tests.cluster.converge import Failure, call
from tests.cluster.places import REPOSITORY, Lab
from tests.cluster.vault import secrets_of

__all__ = ["round_trip"]

# Bytes: empty, less than a chunk, more than one part of a multipart upload.
SIZES = {"empty": 0, "note.txt": 1000, "a/photo.jpg": 3_000_000, "a/b/film.mp4": 40_000_000}


def round_trip(lab: Lab, logs: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="stowbay-round-trip-") as place:
        here = Path(place)
        password = here / "password"
        password.touch(mode=0o600)
        secrets = secrets_of(lab.inventory)
        password.write_text(secrets["vault_admin_password"])
        tree, back = here / "tree", here / "back"
        _write_tree(tree)
        profile = [f"STOWBAY_PROFILE={here / 'profile'}", f"HOME={here}"]
        authority = lab.inventory / "state" / "pki" / "ca.pem"
        client: list[str | Path] = ["env", *profile, REPOSITORY / ".venv" / "bin" / "stowbay"]
        sign_in = ["login", f"https://{PUBLIC_NAME}", "--user", "admin", "--ca", authority]
        call(lab, logs / "5-login.log", *client, *sign_in, "--password-file", password)
        call(lab, logs / "6-put.log", *client, "put", tree, "/")
        call(lab, logs / "7-get.log", *client, "get", "/tree", back)
        _compare(tree, back)


def _write_tree(tree: Path) -> None:
    draw = random.Random(os.urandom(8))
    for name, size in SIZES.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(draw.randbytes(size))


def _compare(tree: Path, back: Path) -> None:
    came = {str(each.relative_to(back)) for each in back.rglob("*") if each.is_file()}
    if came != set(SIZES):
        raise Failure(f"put {sorted(SIZES)}, got {sorted(came)}")
    equal, different, errors = filecmp.cmpfiles(tree, back, list(SIZES), shallow=False)
    if different or errors:
        raise Failure(f"came back different: {different + errors}")
    print(f"{len(equal)} files came back as they were", flush=True)
