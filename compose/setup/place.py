"""Runs in the container `setup`: secrets, certificates and settings of every other container.

/state is the folder of the trial on the host (var/compose): secrets/ holds what is made once and
never again, etc/NAME what the container NAME finds at /etc/stowbay, its own and nobody else's. A
second run changes nothing but what has ended or differs; trial.py sees that by `placed`, a sum of
etc. The templates are those of ansible/roles.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from appliance.machine.pki import keep_authority

HERE = Path(__file__).resolve().parent
ANSIBLE = HERE.parents[1] / "ansible"
STATE = Path("/state")
ACCOUNT = 900  # who the containers' programs run as (images/)
LEAF_DAYS = 90
RENEW_BELOW_DAYS = 30
GATEWAYS = "gateway.stowbay.internal"

FILTERS = (ANSIBLE / "plugins" / "filter", ANSIBLE / "roles" / "edge" / "filter_plugins")

sys.path.insert(0, str(FILTERS[0]))
from stowbay_leaf import leaf_reason, leaf_signed  # noqa: E402
from stowbay_secrets import fresh_secrets  # noqa: E402


def main() -> int:
    os.umask(0o077)
    network, public_name = os.environ["TRIAL_NETWORK"], os.environ["TRIAL_PUBLIC_NAME"]
    owner = [int(number) for number in os.environ["TRIAL_OWNER"].split(":")]
    secrets = kept_secrets(STATE / "secrets" / "vault.json")
    variables = {
        **secrets,
        "trial_network": network,
        "stowbay_public_name": public_name,
        **{f"stowbay_{name.lower()}_port": int(os.environ[f"TRIAL_{name}_PORT"])
           for name in ("API", "UPLOAD", "DOWNLOAD")},
    }  # fmt: skip
    documents = rendered(variables)
    authority, key = keep_authority(
        STATE / "secrets",
        "Stowbay trial",
        permitted({*documents, "localhost", public_name, GATEWAYS}, network),
        datetime.now(UTC),
    )
    pem = authority.public_bytes(serialization.Encoding.PEM).decode()
    plan = documents["store"]["files"].pop("plan.json")
    for name, document in documents.items():
        folder = STATE / "etc" / name
        put(folder / "pki" / "ca.pem", pem)
        for leaf in document["leaves"]:
            keep_leaf(folder / "pki" / leaf["name"], leaf, (name, document["address"]), pem, key)
        for path, text in document["files"].items():
            put(folder / path, text)
    render_edge(STATE / "etc" / "edge")
    keep_identities(plan)
    put(STATE / "ca.pem", pem, mode=0o644)
    for name in ("admin", "prometheus"):
        put(STATE / f"{name}-password", secrets[f"vault_{name}_password"] + "\n")
    put(STATE / "placed", sum_of(STATE / "etc") + "\n")
    hand_over(owner)
    return 0


def kept_secrets(path: Path) -> dict[str, str]:
    """Those that are there stay: the data depend on them."""
    known = json.loads(path.read_text("utf-8")) if path.exists() else {}
    whole: dict[str, str] = {**fresh_secrets(int(time.time())), **known}
    if whole != known:
        put(path, json.dumps(whole, indent=2) + "\n")
    return whole


def rendered(variables: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Each container's address, leaves and files, by its name."""
    with tempfile.TemporaryDirectory() as place:
        given = Path(place, "variables.json")
        given.write_text(json.dumps({**variables, "trial_rendered": place}), "utf-8")
        done = subprocess.run(
            ["/usr/bin/ansible-playbook", "-i", HERE / "inventory.yml", HERE / "render.yml",
             "-e", f"@{given}"],
            cwd=ANSIBLE,
            env={
                "PATH": "/usr/bin:/bin", "HOME": place, "LC_ALL": "C.UTF-8", "TMPDIR": place,
                "ANSIBLE_FILTER_PLUGINS": ":".join(map(str, FILTERS)),
                "ANSIBLE_LOCAL_TEMP": place, "ANSIBLE_REMOTE_TEMP": place,
                "ANSIBLE_FORKS": "4",  # each takes some 50 MB of what the container may have
            },
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise SystemExit(f"the settings can't be made:\n{done.stdout}\n{done.stderr}")
        given.unlink()
        found = Path(place).glob("*.json")
        return {each.stem: json.loads(each.read_text("utf-8")) for each in found}


def permitted(names: set[str], network: str) -> list[x509.GeneralName]:
    """Whoever trusts this authority trusts it for the trial's own names and no others."""
    addresses = {name for name in names if re.fullmatch(r"[0-9.]+", name)}
    networks = ["127.0.0.1/32", f"{network}.0/24", *sorted(addresses)]
    return [
        *(x509.DNSName(name) for name in sorted(names - addresses)),
        *(x509.IPAddress(ipaddress.ip_network(each)) for each in networks),
    ]


def keep_leaf(
    folder: Path,
    leaf: dict[str, Any],
    own: tuple[str, str],
    authority: str,
    authority_key: ec.EllipticCurvePrivateKey,
) -> None:
    wanted = {
        "common_name": leaf["name"],
        "names": [*own, "localhost", "127.0.0.1", *leaf.get("extra_names", [])],
        "days": LEAF_DAYS,
        "renew_below_days": RENEW_BELOW_DAYS,
    }
    certificate, key_file = folder / "cert.pem", folder / "key.pem"
    found = {"certificate": "", "public_key": ""}
    if certificate.exists() and key_file.exists():
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        found = {"certificate": certificate.read_text("utf-8"), "public_key": _public(key)}
    if not leaf_reason(found, wanted, authority):
        return
    fresh = ec.generate_private_key(ec.SECP256R1())
    signed = leaf_signed(_public(fresh), wanted, authority, _private(authority_key), "")
    put(key_file, _private(fresh))
    put(certificate, signed)


def render_edge(folder: Path) -> None:
    """nginx's files; its options hold no more secrets than these do."""
    command = [sys.executable, "-P", "-m", "appliance.edge", "render"]
    options = ["--options", str(folder / "edge.json"), "--into", str(folder / "edge")]
    subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)


def keep_identities(plan: str) -> None:
    """SeaweedFS's users; those with root are for the container that makes the bucket alone."""
    daily, first = STATE / "etc" / "store" / "store", STATE / "etc" / "store-first"
    put(first / "plan.json", plan)
    admin = Path(sys.executable).with_name("stowbay-admin")
    for folder, options in ((daily, []), (first, ["--with-root"])):
        done = subprocess.run(
            [admin, "store", "identities", *options],
            input=plan, check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        put(folder / "identities.json", done.stdout)


def put(path: Path, text: str, mode: int = 0o600) -> None:
    """Whoever reads sees the old file or the new one, whole; one that is right is left alone."""
    if path.exists() and path.read_text("utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.new")
    aside.write_text(text, "utf-8")
    aside.chmod(mode)
    aside.replace(path)


def sum_of(folder: Path) -> str:
    """SHA-256 of all files' names and contents, in hex."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def hand_over(owner: list[int]) -> None:
    """To the containers what is theirs, the rest to whoever started the trial."""
    for path in [STATE, *STATE.rglob("*")]:
        theirs = path.is_relative_to(STATE / "etc") and path != STATE / "etc"
        shutil.chown(path, *((ACCOUNT, ACCOUNT) if theirs else owner))


def _public(key: Any) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    pem: bytes = key.public_key().public_bytes(serialization.Encoding.PEM, form)
    return pem.decode().strip()


def _private(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


if __name__ == "__main__":
    sys.exit(main())
