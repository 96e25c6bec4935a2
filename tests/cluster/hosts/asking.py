"""Asks Prometheus and Alertmanager from their own host, as an operator would."""

import json
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

CURL = "curl -sS --max-time 10 --cacert /etc/stowbay/pki/ca.pem"
_SIGNED_IN = CURL + ' -u "stowbay:$(cat /etc/prometheus/password)"'


def url(host: Any, port: int, path: str) -> str:
    return f"https://{host.ansible.get_variables()['inventory_hostname']}:{port}{path}"


def ask(host: Any, port: int, path: str, parse: Callable[[str], Any] = json.loads) -> Any:
    """The answer, JSON if nothing else is said."""
    return parse(host.check_output(f"{_SIGNED_IN} '{url(host, port, path)}'"))


def post(host: Any, port: int, path: str, body: Any) -> None:
    """The body as JSON; nothing that it holds may be a shell's."""
    host.check_output(
        f"{_SIGNED_IN} -f -H 'Content-Type: application/json' -d '{json.dumps(body)}' "
        f"'{url(host, port, path)}'"
    )


def query(host: Any, expression: str) -> list[dict[str, Any]]:
    """Each series of the answer as its labels, with its figure as `value`."""
    answer = ask(host, 9090, f"/api/v1/query?query={quote(expression)}")
    assert answer["status"] == "success", answer
    return [
        {**each["metric"], "value": float(each["value"][1])} for each in answer["data"]["result"]
    ]


def figures(text: str) -> dict[tuple[str, ...], float]:
    """A page of figures: (name, *label values in the order of the labels' names) -> figure."""
    found = {}
    for name, inside, value in re.findall(r"(?m)^([a-z]\w*)(?:\{(.*)\})? (\S+)", text):
        labels = sorted(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', inside))
        found[name, *(label for _, label in labels)] = float(value)
    return found


def status(host: Any, port: int, options: str = "") -> str:
    """The HTTP status of the health page, asked with these options only."""
    return host.run(
        f"{CURL} {options} -o /dev/null -w '%{{http_code}}' '{url(host, port, '/-/healthy')}'"
    ).stdout


def settled(look: Callable[[], Any], seconds: float = 90) -> Any:
    """What `look` finds wrong: nothing, or what is left when time is up."""
    end = time.monotonic() + seconds
    while (found := look()) and time.monotonic() < end:
        time.sleep(3)
    return found
