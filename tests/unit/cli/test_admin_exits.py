"""What `stowbay-admin` says and ends with before it reaches any database."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from appliance.cli import admin


@pytest.mark.parametrize(
    ("settings", "arguments", "told"),
    [
        (None, ["user", "list"], "does not exist"),
        ("{", ["user", "list"], "the settings are wrong"),
        ('{"unknown": 1}', ["keys", "list"], "the settings are wrong"),
        (None, ["user", "versions", "ada", "many"], "not a valid integer"),
        (None, ["user", "quota", "ada", "much"], "is no size"),
    ],
)
def test_wrong_settings_and_wrong_usage_are_2(
    settings: str | None,
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = tmp_path / "stowbay.json"
    if settings is not None:
        place.write_text(settings)
    monkeypatch.setenv("STOWBAY_CONFIG", str(place))
    monkeypatch.setattr(sys, "argv", ["stowbay-admin", *arguments])
    with pytest.raises(SystemExit) as ended:
        admin.main()
    assert ended.value.code == 2
    assert told in capsys.readouterr().err
