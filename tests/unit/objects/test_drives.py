"""How many drives are away, of the figures as MinIO writes them."""

from __future__ import annotations

import pytest

from appliance.objects.drives import Drives, drives_away


@pytest.mark.parametrize(
    ("offline", "online", "healing", "expected"),
    [
        (0, (4,), (0,), (0, 4)),
        (1, (3,), (0,), (1, 4)),  # a host or drive that is gone
        (0, (3,), (0,), (1, 4)),  # a drive that isn't mounted: seen of a MinIO of 4 drives
        (0, (4,), (1,), (1, 4)),  # an empty one that MinIO has taken in
        (2, (3, 3), (0, 0), (2, 8)),
    ],
)
def test_drives_that_are_away(
    offline: int, online: tuple[int, ...], healing: tuple[int, ...], expected: tuple[int, int]
) -> None:
    head = "# TYPE minio_cluster_drive_offline_total gauge\n"
    lines = [
        f'minio_cluster_drive_offline_total{{server="c1:9000"}} {offline}',
        f'minio_cluster_drive_total{{server="c1:9000"}} {expected[1]}',
        *(
            f"minio_cluster_health_erasure_set_{what}_drives"
            f'{{pool="0",server="c1:9000",set="{number}"}} {drives}'
            for what, sets in (("online", online), ("healing", healing))
            for number, drives in enumerate(sets)
        ),
    ]
    assert drives_away((head + "\n".join(lines) + "\n").encode()) == Drives(*expected)
    assert drives_away(b"<Error><Code>AccessDenied</Code></Error>") is None
