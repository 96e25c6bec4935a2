"""Asking the parts over HTTP whether they answer, with the instance's own authority."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from pathlib import Path

__all__ = ["answers"]


def answers(url: str, authority: Path | None = None, seconds: float = 3.0) -> bool:
    """True for 200 only. With `authority` the server's certificate must come from it."""
    context = ssl.create_default_context(cafile=str(authority)) if authority else None
    # An own opener: proxies of the environment are for the network, not for loopback.
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if context is not None:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    try:
        with urllib.request.build_opener(*handlers).open(url, timeout=seconds) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False
