"""The rows of one space and the objects behind them, moved only by the domain's decisions.

Rows change in single steps, as transactions do; whatever talks to the store takes one step at a
time and may be cut off after any. It models decisions and their order, not a database or a store.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from appliance.domain import quota, retention
from appliance.domain.commits import (
    Blob,
    BlobState,
    Current,
    Existing,
    Kind,
    Outcome,
    Target,
    decide,
)
from appliance.domain.errors import UploadState
from appliance.domain.ids import PURGING, ROOT, TRASH
from appliance.domain.parts import Method
from appliance.domain.upload_states import (
    ABSENT,
    Called,
    Event,
    Facts,
    State,
    Step,
    after,
    first_state,
    next_state,
    next_step,
)

HOUR = timedelta(hours=1)
URL, LONGEST_PUT = HOUR, HOUR
IDLE = 6 * HOUR
FRESH = 4 * HOUR
AUTHOR = 7


@dataclass
class Rules:
    """The decisions under test; a test breaks one to see that the model notices."""

    may_die: Callable[..., bool] = retention.may_die
    to_drop: Callable[..., list[int]] = retention.to_drop
    next_step: Callable[[Facts, datetime], Step] = next_step
    dying_grace: timedelta = 3 * HOUR
    kept: int = 2
    shown_as: Callable[[BlobState], BlobState] = lambda state: state  # to a commit


@dataclass
class UploadRow:
    id: int
    method: Method
    content: bytes
    state: State
    active_at: datetime
    url_expires: datetime
    s3_id: int | None = None


@dataclass
class BlobRow:
    id: int
    content: bytes
    state: BlobState
    fresh_until: datetime
    charged: bool = False
    dying_at: datetime | None = None


@dataclass
class NodeRow:
    id: int
    parent: int
    name: str
    version: int


@dataclass
class VersionRow:
    id: int
    node: int
    blob: int
    promised: bytes  # what the client was told is safe


@dataclass
class Space:
    rules: Rules = field(default_factory=Rules)
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    last_id: int = PURGING
    quota: int = 10_000
    used: int = 0
    uploads: dict[int, UploadRow] = field(default_factory=dict)
    blobs: dict[int, BlobRow] = field(default_factory=dict)
    nodes: dict[int, NodeRow] = field(default_factory=dict)
    versions: dict[int, VersionRow] = field(default_factory=dict)
    objects: dict[int, bytes] = field(default_factory=dict)  # key: the upload's id
    multipart: dict[int, tuple[int, bool]] = field(default_factory=dict)  # id -> key, parts sent

    def new_id(self) -> int:
        self.last_id += 1
        return self.last_id

    # uploads ----------------------------------------------------------------------------------

    def known(self, content: bytes) -> BlobRow | None:
        for blob in self.blobs.values():
            if blob.content == content and self.rules.shown_as(blob.state) is BlobState.LIVE:
                blob.fresh_until = max(blob.fresh_until, self.now + FRESH)
                return blob
        return None

    def begin(self, content: bytes, method: Method, steps: int) -> None:
        """Row first; then Create, then its id: `steps` of the two are done before a crash."""
        id = self.new_id()
        row = UploadRow(id, method, content, first_state(method), self.now, self.now + URL)
        self.uploads[id] = row
        if method is Method.MULTIPART and steps > 0:
            s3_id = self.new_id()
            self.multipart[s3_id] = (id, False)
            if steps > 1:
                row.s3_id, row.state = s3_id, next_state(row.state, Event.OPEN)

    def sign(self, row: UploadRow) -> None:
        if row.state is State.UPLOADING:
            row.active_at, row.url_expires = self.now, self.now + URL

    def put(self, id: int, method: Method, content: bytes, s3_id: int | None) -> None:
        """Whoever holds a URL may use it late, again, or after everything else is over."""
        if method is Method.SINGLE:
            self.objects.setdefault(id, content)  # If-None-Match: *
        elif s3_id in self.multipart:
            self.multipart[s3_id] = (id, True)

    def move(self, row: UploadRow, event: Event) -> bool:
        try:
            row.state = next_state(row.state, event)
        except UploadState:
            return False
        return True

    def run(self, row: UploadRow, most: int) -> None:
        """A request or a worker that dies after `most` steps."""
        facts = Facts(
            row.state,
            row.method,
            len(row.content),
            row.active_at + IDLE,
            row.url_expires + LONGEST_PUT,
        )
        for _ in range(most):
            step = self.rules.next_step(facts, self.now)
            if step is Step.FORGET:
                del self.uploads[row.id]
            if step in (Step.FORGET, Step.WAIT, Step.DONE):
                return
            facts = self.take(row, step, facts)

    def take(self, row: UploadRow, step: Step, facts: Facts) -> Facts:
        match step:
            case Step.COMPLETE:
                return replace(facts, completed=self.complete(row))
            case Step.HEAD:
                there = self.objects.get(row.id)
                return replace(facts, head=ABSENT if there is None else len(there))
            case Step.ABORT:
                self.multipart = {s: at for s, at in self.multipart.items() if at[0] != row.id}
                return replace(facts, aborted=True)
            case Step.DELETE:
                self.objects.pop(row.id, None)
                return replace(facts, head=ABSENT)
            case Step.RECORD_UPLOADED:
                self.blobs[row.id] = BlobRow(row.id, row.content, BlobState.LIVE, self.now + FRESH)
        event = {
            Step.RECORD_UPLOADED: Event.VERIFIED,
            Step.RECORD_REFUSED: Event.REFUSED,
            Step.RECORD_LOST: Event.LOST,
            Step.RECORD_EXPIRED: Event.EXPIRE,
            Step.RECORD_PURGED: Event.PURGED,
        }[step]
        facts = after(facts, event)
        row.state = facts.state
        return facts

    def complete(self, row: UploadRow) -> Called:
        key, sent = self.multipart.get(row.s3_id or 0, (0, False))
        if not key:
            return Called.GONE
        if not sent:
            return Called.REFUSED
        del self.multipart[row.s3_id or 0]
        self.objects[row.id] = row.content
        return Called.OK

    # names ------------------------------------------------------------------------------------

    def commit(self, name: str, blob_id: int, content: bytes, base: int | None) -> Outcome:
        children = {
            (node.parent, node.name): Existing(
                node.id, Kind.FILE, node.version, 0, self.versions[node.version].blob
            )
            for node in self.nodes.values()
        }
        blobs = {
            blob.id: Blob(
                blob.id,
                len(blob.content),
                len(blob.content),
                self.rules.shown_as(blob.state),
                proven=True,
                author=AUTHOR,
                charged=blob.charged,
            )
            for blob in self.blobs.values()
        }
        now = Current(AUTHOR, children, blobs, frozenset({ROOT}), self.quota, self.used, 0)
        target = Target(Kind.FILE, ROOT, name, base, blob_id, len(content))
        (outcome,) = decide(now, [target])
        if outcome.writes:
            version = self.new_id()
            before = outcome.current
            node_id = before.node_id if before and before.node_id else self.new_id()
            self.versions[version] = VersionRow(version, node_id, blob_id, content)
            self.nodes[node_id] = NodeRow(node_id, ROOT, name, version)
            self.blobs[blob_id].charged |= outcome.charged > 0
            self.used += outcome.charged
            mine = [v.id for v in self.versions.values() if v.node == node_id]
            self.drop(self.rules.to_drop(mine, version, self.rules.kept))
        return outcome

    def drop(self, version_ids: list[int]) -> None:
        touched = {self.versions.pop(id).blob for id in version_ids}
        for blob_id in touched - {version.blob for version in self.versions.values()}:
            blob = self.blobs[blob_id]
            blob.charged = False
            self.used -= quota.charge(len(blob.content), len(blob.content))

    def trash(self, node: NodeRow) -> None:
        if node.parent == ROOT:
            node.parent, node.name = TRASH, f"{node.name}/{node.id}"

    def restore(self, node: NodeRow) -> None:
        name = node.name.split("/")[0]
        taken = any(n.parent == ROOT and n.name == name for n in self.nodes.values())
        if node.parent == TRASH and not taken:
            node.parent, node.name = ROOT, name

    def purge(self, node: NodeRow) -> None:
        if node.parent == TRASH:
            node.parent = PURGING

    def purge_next(self) -> None:
        """One node of those being deleted for good: a worker's transaction."""
        for node in [node for node in self.nodes.values() if node.parent == PURGING][:1]:
            del self.nodes[node.id]
            self.drop([v.id for v in self.versions.values() if v.node == node.id])

    # death ------------------------------------------------------------------------------------

    def bury(self) -> None:
        for blob in self.blobs.values():
            uses = sum(version.blob == blob.id for version in self.versions.values())
            if blob.state is BlobState.LIVE and self.rules.may_die(
                uses, 0, blob.fresh_until, self.now
            ):
                blob.state, blob.dying_at = BlobState.DYING, self.now

    def delete(self, steps: int) -> None:
        """Object first, then its row; cut off after `steps`."""
        for blob in list(self.blobs.values()):
            if blob.dying_at is None:
                continue
            if retention.Death(blob.dying_at, self.rules.dying_grace).due(self.now):
                if steps > 0:
                    self.objects.pop(blob.id, None)
                if steps > 1:
                    del self.blobs[blob.id]

    # what must always hold --------------------------------------------------------------------

    def check(self) -> None:
        for version in self.versions.values():
            blob = self.blobs.get(version.blob)
            assert blob is not None, "a version's blob has no row"
            assert blob.state is BlobState.LIVE, "a version's blob is dying"
            assert self.objects.get(blob.id) == version.promised, "a committed byte is gone"
        for node in self.nodes.values():
            assert node.version in self.versions, "a node's current version is gone"
            assert self.versions[node.version].node == node.id
        explained = self.uploads.keys() | self.blobs.keys()
        assert self.objects.keys() <= explained, "an object that no row explains"
        parted = {key for key, _ in self.multipart.values()}
        assert parted <= explained, "a multipart upload that no row explains"
        used = {version.blob for version in self.versions.values()}
        assert {blob.id for blob in self.blobs.values() if blob.charged} == used
        assert self.used == sum(len(self.blobs[id].content) for id in used) <= self.quota

    def settle(self) -> None:
        """Everybody goes home and the workers finish: what is left is what versions use."""
        for _ in range(4):
            self.now += 20 * HOUR
            for row in list(self.uploads.values()):
                self.run(row, 50)
            self.bury()
            self.delete(2)
            self.check()
        used = {version.blob for version in self.versions.values()}
        assert not self.uploads, "an upload never came to rest"
        assert not self.multipart, "a multipart upload is left over"
        assert self.objects.keys() == self.blobs.keys() == used, "an object is left over"
