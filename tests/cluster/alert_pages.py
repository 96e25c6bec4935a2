"""docs/reference/alerts.md, made from monitoring/rules.

`python -m tests.cluster.alert_pages` writes it; tests/unit/monitoring fails when it is not what
would be written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

__all__ = ["PAGE", "RULES", "alerts", "page"]

_ROOT = Path(__file__).resolve().parents[2]
RULES = _ROOT / "monitoring" / "rules"
PAGE = _ROOT / "docs" / "reference" / "alerts.md"

_HEAD = """# Alerts

<!-- Made by `python -m tests.cluster.alert_pages` from monitoring/rules. -->

What Prometheus watches on every cluster. *critical*: users notice, or soon will. *warning*: look at
it today. *info*: nobody is woken. *after*: how long it must hold before the alert fires; the parts
are asked every 15 seconds. [How to watch a cluster](../how-to/monitoring.md) says who is told.

| alert | severity | after | what it says |
| --- | --- | --- | --- |
"""


def alerts() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Each alert as Prometheus reads it, with the file it stands in."""
    for path in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    yield path, rule


def page() -> str:
    return _HEAD + "".join(_row(rule) for _, rule in alerts())


def _row(rule: dict[str, Any]) -> str:
    name = rule["alert"]
    said = _plain(f"{rule['annotations']['summary']}. {rule['annotations']['description']}")
    link = f"[{name}](../how-to/runbooks/{name}.md)"
    return f"| {link} | {rule['labels']['severity']} | {rule.get('for', 'at once')} | {said} |\n"


def _plain(text: str) -> str:
    """Without the template language: a label by its name, the figure as an ellipsis."""
    text = re.sub(r"{{ \$labels\.(\w+) }}", r"*\1*", text)
    return re.sub(r"{{ \$value[^}]* }}", "…", text).replace("|", "\\|")


def main() -> None:
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
