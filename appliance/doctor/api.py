"""Whether the API answers and is ready, and of which release it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from appliance.doctor.origins import Origin
from appliance.doctor.report import Line, line
from appliance.doctor.web import Answer, Web

__all__ = ["ApiFacts", "judge", "look"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ApiFacts:
    """`parts`: as /health/ready tells them, `ok` or `down`. `status` 0: no answer."""

    status: int
    parts: dict[str, str] = field(default_factory=dict)
    version: str = ""
    ahead: float | None = None

    @property
    def ready(self) -> bool:
        return self.status == 200


class _Ready(msgspec.Struct):
    status: str = ""
    parts: dict[str, str] = {}


class _Info(msgspec.Struct, frozen=True):
    version: str = ""


class _Document(msgspec.Struct):
    info: _Info = _Info()


async def look(api: Origin, web: Web) -> ApiFacts:
    ready = await web.ask("GET", f"{api.value}/health/ready")
    told = _decoded(ready, _Ready)
    if not told.status:
        return ApiFacts(ready.status if ready.status != 200 else 0, ahead=ready.ahead)
    described = await web.ask("GET", f"{api.value}/api/v1/openapi.json")
    version = _decoded(described, _Document).info.version
    return ApiFacts(ready.status, told.parts, version, ready.ahead)


def _decoded(answer: Answer, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except msgspec.DecodeError:
        return kind()


def judge(found: ApiFacts) -> list[Line]:
    down = sorted(part for part, state in found.parts.items() if state != "ok")
    if found.ready:
        lacks = f", without {', '.join(down)}" if down else ""
        return [line("api.ok", "api", f"ready{lacks}, release {found.version or 'unknown'}")]
    if not found.parts:
        return [
            line("api.no-gateway", "api", f"/health/ready answers {found.status or 'nonsense'}")
        ]
    return [line("api.not-ready", "api", f"down: {', '.join(down) or 'it is stopping'}")]
