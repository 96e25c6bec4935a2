"""argon2id in a small thread pool: 19 MiB, t=2, p=1 (OWASP's password storage cheat sheet).

The library's defaults take 64 MiB and a quarter of a second each; a handful of sign-ins at once
would stop everything else a gateway does. Two threads bound memory and CPU, the rest wait.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

__all__ = ["MIN_LENGTH", "Passwords"]

MIN_LENGTH = 8


class Passwords:
    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="argon2")
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._hasher.hash, password)

    async def verify(self, hashed: str | None, password: str) -> bool:
        """None takes as long as a real hash: a login that nobody has must not answer sooner."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._verify, hashed, password)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, hashed: str | None, password: str) -> bool:
        if hashed is None:
            self._nobody = self._nobody or self._hasher.hash("nobody's password")
        try:
            self._hasher.verify(hashed or self._nobody or "", password)
        except (VerificationError, InvalidHashError):
            return False
        return hashed is not None
