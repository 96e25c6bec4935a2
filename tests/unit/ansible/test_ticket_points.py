"""What the controller tells edges of a ring is what the appliance would publish, and no more."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from appliance.edge import keyring
from tests.unit.ansible.plugins import ANSIBLE

PLUGIN = ANSIBLE / "roles/edge/filter_plugins/stowbay_ticket_points.py"
NOW = 1_800_000_000


def ticket_points(ring: str, now: float) -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("stowbay_ticket_points", PLUGIN)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, str] = module.FilterModule().filters()["stowbay_ticket_points"](ring, now)
    return found


def test_the_same_points_at_every_moment_of_a_rotation(tmp_path: Path) -> None:
    ring = keyring.create(NOW, kid="k1").rotate(
        NOW, kid="k2", publish_seconds=60, longest_ticket_seconds=300
    )
    path = tmp_path / "ring"
    ring.save(path)
    counts = []
    for moment in (NOW, NOW + 59, NOW + 61, NOW + 359, NOW + 361):
        told = ticket_points(path.read_text(), moment)
        assert told == ring.public_keys(moment)
        counts.append(len(told))
    assert counts == [2, 2, 2, 2, 1]
    assert "PRIVATE" not in str(ticket_points(path.read_text(), NOW))
