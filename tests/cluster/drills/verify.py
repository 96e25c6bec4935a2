"""Every acknowledged operation against the final state, and every uploaded byte."""

from __future__ import annotations

import asyncio

from .ledger import Violation
from .load import Load, Uploader, Writer

__all__ = ["verify"]


async def verify(load: Load, *, checked: set[str]) -> list[Violation]:
    """`checked` holds the uploads whose bytes need no comparison, and gets those compared."""
    found = await asyncio.gather(*(_listed(each) for each in (*load.writers, load.uploader)))
    wrong = [violation for each in found for violation in each]
    wrong += load.wrong
    load.wrong.clear()
    wrong += await _bytes(load.uploader, checked)
    return wrong


async def _listed(worker: Writer | Uploader) -> list[Violation]:
    await worker.client.catch_up()
    nodes = await worker.client.listing(worker.folder)
    return worker.ledger.compare(
        {name: node["sha256"] if node["size"] else None for name, node in nodes.items()}
    )


async def _bytes(uploader: Uploader, checked: set[str]) -> list[Violation]:
    nodes = await uploader.client.listing(uploader.folder)
    wrong = []
    for name, node in nodes.items():
        if name in checked:
            continue
        for _ in range(10):
            found = await uploader.client.content(node["id"])
            if found is not None:
                break
            await asyncio.sleep(1)
        if found != node["sha256"]:
            wrong.append(Violation(uploader.path, f"{name}: served {found} for {node['sha256']}"))
        checked.add(name)
    return wrong
