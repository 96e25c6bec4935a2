"""Two whole products, one for each store, started when the first test asks for them.

Tests share an instance and never meet: each takes accounts of its own by `user`. A test that
breaks a part waits until it is back before it ends.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .instance import Instance, User, free_ports


@pytest.fixture(scope="session", params=["seaweedfs", "minio"])
def instance(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Instance]:
    store: str = request.param
    var = tmp_path_factory.mktemp(f"var-{store}")
    # Parts are frozen here and polls fuzzed: nobody wants to wait the usual time for each.
    limits = '{"request_seconds": 12, "long_poll_seconds": 3}'
    extra = {"STOWBAY_LIMITS": limits, "STOWBAY_SIGNINS": "300"}
    found = Instance(store, var, free_ports(), extra)
    try:
        found.up()
        yield found
    finally:
        found.down()
        shutil.rmtree(var, ignore_errors=True)


@pytest.fixture
def user(instance: Instance, tmp_path: Path) -> User:
    return instance.user(tmp_path)
