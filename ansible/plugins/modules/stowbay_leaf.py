"""A host's half of a leaf certificate: its key, which never leaves the host, and the files' rights.

Without `certificate` the module looks: it corrects owners and modes, makes a key where there is no
certificate or its end is near, and tells the certificate and the public half of the newest key.
With `certificate` it places that one and the key that goes with it. A new key waits under another
name until then, so the pair in use is whole, but for the instant between two renames; whoever
stops there leaves a pair that the next run finds wrong and makes anew.

Needs the `openssl` command, nothing else.
"""

from __future__ import annotations

import grp
import os
import subprocess
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: stowbay_leaf
short_description: Key and certificate of one part of the cluster on this host
description: [Makes the key on the host and places the certificate that the controller signed.]
options:
  folder: {description: [Where key.pem and cert.pem are.], type: path, required: true}
  group: {description: [The group that may read the key.], type: str, required: true}
  renew_below_days: {description: [A new key is made when fewer are left.], type: int, default: 30}
  certificate: {description: [The signed chain to place, PEM.], type: str}
  key: {description: [A key brought along, PEM, instead of the host's own.], type: str}
  reason: {description: [Why it is placed; told in the answer.], type: str, default: ""}
author: [Stowbay]
"""

OPTIONS = {
    "folder": {"type": "path", "required": True},
    "group": {"type": "str", "required": True},
    "renew_below_days": {"type": "int", "default": 30},
    "certificate": {"type": "str"},
    "key": {"type": "str", "no_log": True},
    "reason": {"type": "str", "default": ""},
}


def main():
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    folder = Path(module.params["folder"])
    try:
        gid = grp.getgrnam(module.params["group"]).gr_gid
    except KeyError:
        if module.check_mode:  # the package that makes the group isn't there yet
            module.exit_json(changed=True, certificate="", public_key="")
        module.fail_json(msg=f"no group {module.params['group']}: install what brings it first")
    if module.params["certificate"] is None:
        module.exit_json(**look(folder, gid, module.params["renew_below_days"], module.check_mode))
    if not module.check_mode:
        place(folder, gid, module.params["certificate"], module.params["key"])
    module.exit_json(changed=True, reason=module.params["reason"])


def look(folder, gid, renew_below_days, check):
    changed = right(folder, gid, 0o750, check, directory=True)
    key, waiting, certificate = (folder / n for n in ("key.pem", "key.new", "cert.pem"))
    changed |= right(key, gid, 0o640, check) | right(certificate, gid, 0o640, check)
    ends = f"-checkend={renew_below_days * 86400}".split("=")
    needed = not (key.exists() and certificate.exists())
    needed = needed or not openssl("x509", "-in", certificate, "-noout", *ends)[0]
    if needed and not check and not waiting.exists():
        text = openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")[1]
        write(waiting, 0, 0o600, text)
    newest = waiting if waiting.exists() else key
    return {
        "changed": changed,
        "certificate": certificate.read_text() if certificate.exists() else "",
        "public_key": openssl("pkey", "-in", newest, "-pubout")[1] if newest.exists() else "",
    }


def place(folder, gid, certificate, key):
    waiting = folder / "key.new"
    if key:
        write(folder / "key.pem", gid, 0o640, key)
        waiting.unlink(missing_ok=True)
    elif waiting.exists():
        write(folder / "key.pem", gid, 0o640, waiting.read_text())
    write(folder / "cert.pem", gid, 0o640, certificate)
    waiting.unlink(missing_ok=True)


def right(path, gid, mode, check, directory=False):
    """Owner and mode as they must be; True if they weren't. A folder is made, a file isn't."""
    if not path.exists():
        if directory and not check:
            path.mkdir(mode=0o700)
            return right(path, gid, mode, check) or True
        return directory
    found = path.stat()
    if (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (0, gid, mode):
        return False
    if not check:
        os.chown(path, 0, gid)
        path.chmod(mode)
    return True


def write(path, gid, mode, text):
    """Whoever reads sees the old file or the new one, whole, and never with wider rights."""
    fresh = path.with_name(f".{path.name}.writing")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as sink:
        os.fchown(descriptor, 0, gid)
        os.fchmod(descriptor, mode)
        sink.write(text)
        sink.flush()
        os.fsync(descriptor)
    fresh.replace(path)


def openssl(*arguments):
    """(succeeded, output)."""
    done = subprocess.run(
        ["/usr/bin/openssl", *map(str, arguments)], check=False, capture_output=True, text=True
    )
    return done.returncode == 0, done.stdout


if __name__ == "__main__":
    main()
