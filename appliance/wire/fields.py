"""Constrained field types: what the OpenAPI document and the decoder both enforce."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

__all__ = [
    "MAX_SIZE", "Answer", "Class", "Device", "Etag", "Id", "Length", "Limit", "Login", "Mode",
    "Name", "Nanoseconds", "PartNumber", "Password", "Request", "Sha256", "Target",
]  # fmt: skip

MAX_SIZE = 5 << 40

Id = Annotated[str, Meta(min_length=1, max_length=64)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Length = Annotated[int, Meta(ge=0, le=MAX_SIZE)]
Class = Annotated[int, Meta(ge=0, le=15)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]
Target = Annotated[str, Meta(min_length=1, max_length=4095)]
Nanoseconds = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Mode = Annotated[int, Meta(ge=0, le=0o7777)]
PartNumber = Annotated[int, Meta(ge=1, le=10_000)]
Etag = Annotated[str, Meta(min_length=1, max_length=128)]
Login = Annotated[str, Meta(min_length=1, max_length=254)]
Password = Annotated[str, Meta(min_length=1, max_length=1024)]
Device = Annotated[str, Meta(min_length=1, max_length=100)]
Limit = Annotated[int, Meta(ge=1, le=1000)]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a caller sends."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway answers."""
