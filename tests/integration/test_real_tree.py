"""The main job on real input: what this machine's packages brought, put, listed, fetched, compared.

The bench does the same with at least 20,000 files and 1 GiB.
"""

from __future__ import annotations

from pathlib import Path

from tests.bench.real_tree import differences, gather

from .instance import Instance


def test_a_real_tree_comes_back_as_it_was(instance: Instance, tmp_path: Path) -> None:
    user = instance.user(tmp_path)
    source, back = tmp_path / "tree", tmp_path / "back"
    files, size = gather(source, 1500, 60 << 20)
    assert files >= 1500
    twins = source / "twins"
    twins.mkdir()
    (twins / "Readme").write_text("one")
    (twins / "README").write_text("another")
    (twins / "dangling").symlink_to("nowhere/at all")
    (twins / "empty").touch(mode=0o600)
    (twins / "Grüße \U0001f600").write_bytes(b"\0" * 100)
    user.stowbay("put", source, "/")
    listed = user.stowbay("ls", "-R", "/tree").stdout.decode()
    for name in ("Readme", "README", "dangling", "empty", "Grüße \U0001f600"):
        assert name in listed
    back.mkdir()
    user.stowbay("get", "/tree", back)
    assert differences(source, back / "tree") == []
    used = user.call("GET", f"/api/v1/spaces/{user.space}").json["used_bytes"]
    assert 0 < used <= size + 200
