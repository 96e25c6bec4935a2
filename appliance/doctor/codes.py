"""The one table of what a line may say. docs/reference/doctor.md is tested against it.

A code is CHECK.FINDING and never changes its meaning or its level. Thresholds are those of the
alerts (monitoring/rules), so that the two never disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["CODES", "Code", "Level"]

_RUNBOOKS = "docs/how-to/runbooks"
_OWN = "docs/how-to/doctor.md"  # what no alert watches


class Level(StrEnum):
    """From good to bad."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Code:
    level: Level
    meaning: str
    todo: str = ""
    runbook: str = ""


def _ok(meaning: str) -> Code:
    return Code(Level.OK, meaning)


def _warn(meaning: str, todo: str, runbook: str) -> Code:
    """`runbook`: of the alert of that name, or, after #, a section of the doctor's own page."""
    return Code(Level.WARN, meaning, todo, _page(runbook))


def _fail(meaning: str, todo: str, runbook: str) -> Code:
    return Code(Level.FAIL, meaning, todo, _page(runbook))


def _page(runbook: str) -> str:
    return f"{_OWN}{runbook}" if runbook.startswith("#") else f"{_RUNBOOKS}/{runbook}.md"


_RENEW = (
    "Renew it: on hosts run site.yml, on one machine `make down` and `make up`; a certificate that"
    " was brought along is replaced where it comes from."
)

CODES: dict[str, Code] = {
    "names.ok": _ok("The public names have addresses."),
    "names.unresolved": _fail(
        "A public name has no address here.",
        "Add it to the DNS that clients use, with the floating address or the edge's.",
        "#names-and-certificates",
    ),
    "tls.ok": _ok("A browser that trusts the authority accepts the certificate."),
    "tls.unreachable": _fail(
        "Nothing answers there, or not by TLS.",
        "Look whether nginx runs on the edge and whether a firewall lies between.",
        "PartDown",
    ),
    "tls.expired": _fail("The certificate has ended.", _RENEW, "CertificateExpiresNow"),
    "tls.not-yet-valid": _fail(
        "The certificate begins in the future.",
        "Compare this machine's clock with the edge's; else make the certificate anew.",
        "ClockOffset",
    ),
    "tls.other-name": _fail(
        "The certificate is for other names.",
        "Give the edge a certificate that holds this name, or use the name that it holds.",
        "#names-and-certificates",
    ),
    "tls.untrusted": _fail(
        "No authority that is trusted here has signed the certificate.",
        "Name the authority by --ca, and give it to the clients; look whether the edge sends its"
        " whole chain.",
        "#names-and-certificates",
    ),
    "tls.expires-now": _fail(
        "The certificate ends within three days.", _RENEW, "CertificateExpiresNow"
    ),
    "tls.expires-soon": _warn(
        "The certificate ends within three weeks.", _RENEW, "CertificateExpiresSoon"
    ),
    "https.ok": _ok("Nothing is served without TLS; what is said of HSTS makes sense."),
    "https.plain": _fail(
        "Something is answered without TLS.",
        "Take the listener away: tokens and tickets would pass in the clear.",
        "#the-edge",
    ),
    "https.hsts": _warn(
        "Strict-Transport-Security is sent and forbids nothing.",
        "Send a max-age of a year, or leave the header out.",
        "#the-edge",
    ),
    "api.ok": _ok("The API answers and is ready."),
    "api.no-gateway": _fail(
        "The edge answers, and no gateway behind it.",
        "Look at the gateways: are they running, and does the edge reach them?",
        "PartGone",
    ),
    "api.not-ready": _fail(
        "A gateway answers that it lacks something it needs.",
        "The line of the part that is named says more.",
        "GatewayErrors",
    ),
    "cors.ok": _ok("A browser's preflights are answered as the web interface needs."),
    "cors.upload": _fail(
        "A browser would refuse to upload.",
        "Render the edge's configuration anew; its api_url must be the API's public URL.",
        "#the-edge",
    ),
    "cors.download": _fail(
        "A browser would refuse to download.",
        "Render the edge's configuration anew; its api_url must be the API's public URL.",
        "#the-edge",
    ),
    "clock.ok": _ok("All clocks that could be read agree within two seconds."),
    "clock.off": _warn("A clock differs by more than two seconds.", "Correct it.", "ClockOffset"),
    "clock.far-off": _fail(
        "A clock differs by more than a minute: tickets and signatures will be refused.",
        "Correct it.",
        "ClockOffset",
    ),
    "time-service.ok": _ok("This host's clock is kept by a time service."),
    "time-service.lost": _warn(
        "This host's time service follows no source.",
        "Open UDP 123 to the time servers, or name some that can be reached.",
        "ClockOffset",
    ),
    "transfer.ok": _ok(
        "A file went in by a presigned PUT and came out by a ticket, byte for byte, and not"
        " through the gateway."
    ),
    "transfer.sign-in": _fail(
        "The account can't sign in.",
        "The problem's code (docs/reference/errors.md) says why.",
        "#the-way-of-a-file",
    ),
    "transfer.refused": _fail(
        "The API refused a step of an upload or download.",
        "The problem's code (docs/reference/errors.md) says why; the gateways' log says more.",
        "GatewayErrors",
    ),
    "transfer.put": _fail(
        "The presigned PUT failed.",
        "The code is the edge's: docs/reference/upload-protocol.md. Look at the store and its"
        " clock.",
        "#the-way-of-a-file",
    ),
    "transfer.get": _fail(
        "The ticketed GET failed.",
        "The code is the edge's: docs/reference/ticket-format.md. After a rotation of keys the"
        " edges must know them all.",
        "#the-way-of-a-file",
    ),
    "transfer.bytes": _fail(
        "Other bytes came back than were put.",
        "Stop using the edge's cache and look at the store's drives.",
        "ScrubFoundWrongBytes",
    ),
    "transfer.through-gateway": _fail(
        "A URL for a file's bytes leads to the API.",
        "Give upload_url and download_url origins of their own in the settings.",
        "#the-way-of-a-file",
    ),
    "transfer.left": _warn(
        "Something of the doctor's own is left.",
        "Run the doctor again: it removes what an earlier run has left.",
        "#the-way-of-a-file",
    ),
    "refusals.ok": _ok("The edge refuses what it must."),
    "refusals.open": _fail(
        "A request got through that the edge must refuse.",
        "Render the edge's configuration anew and reload nginx; find out who changed it.",
        "#the-edge",
    ),
    "refusals.headers": _fail(
        "Request headers reach the store: a copy-source header could read any file.",
        "Render the edge's configuration anew and reload nginx; find out who changed it.",
        "#the-edge",
    ),
    "database.ok": _ok("Every database answers and takes writes."),
    "database.unreachable": _fail(
        "The database doesn't answer.",
        "Look at Postgres, on hosts at Patroni and HAProxy.",
        "PostgresNoPrimary",
    ),
    "database.no-writes": _fail(
        "The database answers and takes no writes.",
        "Look at its disk first, then at its standbys.",
        "PostgresTakesNoWrites",
    ),
    "replication.ok": _ok("As many standbys as are configured, and a synchronous one among them."),
    "replication.single": _ok(
        "One member, as configured: what was acknowledged is on one host alone."
    ),
    "replication.no-synchronous": _fail(
        "No synchronous standby: a COMMIT waits, or an acknowledged write may be lost.",
        "Bring a standby back.",
        "PostgresNoSynchronousStandby",
    ),
    "replication.missing": _warn(
        "Fewer standbys than configured.", "Bring the missing one back.", "PartDown"
    ),
    "replication.lag": _warn(
        "A standby is more than 64 MiB behind.",
        "Look at its disk and its network.",
        "PostgresReplicaLag",
    ),
    "replication.hidden": _warn(
        "The database doesn't show its standbys to our role.",
        "As its superuser: grant pg_read_all_stats to stowbay. On hosts site.yml does it.",
        "#what-a-part-is-told",
    ),
    "store.ok": _ok("The store answers our credential and has its write quorum."),
    "store.unreachable": _fail(
        "The store doesn't answer.", "Look at the store's processes and hosts.", "PartGone"
    ),
    "store.no-write-quorum": _fail(
        "Too many drives are away for a write.",
        "Bring drives or hosts back.",
        "StoreBelowWriteQuorum",
    ),
    "store.degraded": _warn(
        "Drives of the store are away or being healed: it works, with less redundancy.",
        "Bring them or their host back, or replace them.",
        "StoreDriveOffline",
    ),
    "store.refuses": _fail(
        "The store refuses our credential or has no such bucket.",
        "Run site.yml; on one machine `make down` and `make up`.",
        "#what-a-part-is-told",
    ),
    "cache.ok": _ok("Redis answers, keeps nothing on disk and is bounded; or none is configured."),
    "cache.unreachable": _warn(
        "Redis doesn't answer: answers stay right and become slower.",
        "Look at Redis, on hosts at its sentinels.",
        "RedisNoMaster",
    ),
    "cache.persists": _warn(
        "Redis writes to disk: a restart could bring back what was revoked.",
        "Switch save and appendonly off.",
        "#what-a-part-is-told",
    ),
    "cache.unbounded": _warn(
        "Redis has no bound, or drops nothing when it is full.",
        "Set maxmemory, and maxmemory-policy to allkeys-lru.",
        "#what-a-part-is-told",
    ),
    "gateways.ok": _ok("Every gateway process of this host answers."),
    "gateways.down": _fail(
        "A gateway process of this host doesn't answer.",
        "Look at its log; on hosts: systemctl status stowbay-gateway@N.",
        "PartDown",
    ),
    "worker.ok": _ok("The worker of this host answers."),
    "worker.down": _fail(
        "The worker of this host doesn't answer.",
        "Look at its log; on hosts: systemctl status stowbay-worker.",
        "PartDown",
    ),
    "queues.ok": _ok("Nothing waits longer than it should."),
    "queues.uploads": _warn(
        "Uploads have been completing or aborting for more than a quarter of an hour.",
        "Look at the workers and the store.",
        "UploadsStuck",
    ),
    "queues.outbox": _warn(
        "Work between databases waits for more than a quarter of an hour.",
        "Look at the workers.",
        "WorkerJobsFailing",
    ),
    "queues.deletions": _warn(
        "What is due for deletion is still there a day later.",
        "Look at the workers: the disk fills up.",
        "WorkerJobsFailing",
    ),
    "queues.comparisons": _warn(
        "Spaces were not compared with the store for two days.",
        "Look at the workers: losses would go unseen.",
        "WorkerJobsFailing",
    ),
    "orphans.ok": _ok("The last comparisons left nothing unexplained between rows and store."),
    "orphans.found": _warn(
        "The last comparisons found what nothing explains.",
        "Look at what it is before anything is deleted.",
        "StoreUnexplained",
    ),
    "certificates.ok": _ok("No certificate of this host ends within three weeks."),
    "certificates.expires-soon": _warn(
        "A certificate of this host ends within three weeks.", _RENEW, "CertificateExpiresSoon"
    ),
    "certificates.expires-now": _fail(
        "A certificate of this host ends within three days, or has ended.",
        _RENEW,
        "CertificateExpiresNow",
    ),
    "certificates.unreadable": _warn(
        "A certificate of this host can't be read.",
        "Look at the file; site.yml writes it anew.",
        "#names-and-certificates",
    ),
    "backup.ok": _ok("The place for backups is there; the newest thing in it is of today."),
    "backup.none": _ok("The place for backups is there and empty: nothing is backed up yet."),
    "backup.missing": _fail(
        "The place for backups is missing, not its own volume, or can't be written.",
        "Mount it.",
        "BackupPlaceMissing",
    ),
    "backup.old": _warn(
        "The newest thing in the place for backups is more than 26 hours old.",
        "Look at what makes the backups.",
        "#backups",
    ),
    "versions.ok": _ok("Everything that tells a version is of one release."),
    "versions.differ": _warn(
        "Parts of different releases run.",
        "Finish the upgrade: run site.yml to its end.",
        "#releases",
    ),
    "versions.schema-behind": _fail(
        "A database lacks migrations of this release.", "Run stowbay-admin migrate.", "#releases"
    ),
    "versions.schema-ahead": _warn(
        "A database has migrations that this release doesn't know.",
        "Use the doctor of the newer release, or finish the upgrade.",
        "#releases",
    ),
    "doctor.timed-out": _warn(
        "A check took too long; what it looks at may hang.",
        "Look at the part by hand; --timeout gives the checks more time.",
        "#the-doctor-itself",
    ),
    "doctor.failed": _warn(
        "A check broke: what it looks at is unknown.",
        "Report it, with the text of the line.",
        "#the-doctor-itself",
    ),
}
