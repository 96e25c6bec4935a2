"""Keep the cluster's vault file: add the secrets it lacks, replace only those asked for by name.

Runs on the controller alone. The file is encrypted with the vault password of this run before it
touches the disk, is mode 0600 and is replaced atomically: whoever reads sees the old file or the
new one, whole. Arguments: `path`; `fresh`, a full set of secrets from which the missing ones are
taken; `replace`, secrets that replace what is there. The answer names what was added and replaced,
never a value.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.parsing.vault import is_encrypted
from ansible.plugins.action import ActionBase

_HEAD = (
    "# Made by the role secrets; change by ansible-vault edit. Losing this file or its password\n"
)
_HEAD += "# loses the store's encryption key, and with it every stored file.\n"


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True
    _VALID_ARGS = frozenset({"path", "fresh", "replace"})

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        path = Path(self._task.args["path"])
        wanted = self._task.args["fresh"]
        replace = self._task.args.get("replace") or {}
        held = self._read(path)
        added = sorted(set(wanted) - set(held))
        replaced = sorted(name for name in replace if held.get(name) != replace[name])
        if (added or replaced) and not self._task.check_mode:
            fresh = {name: str(wanted[name]) for name in added}
            self._write(path, {**held, **fresh, **{n: str(replace[n]) for n in replaced}})
        return {
            "changed": bool(added or replaced),
            "added": added,
            "replaced": replaced,
            "exists": path.exists(),
        }

    def _read(self, path: Path) -> dict[str, str]:
        if not path.exists():
            self._password()
            return {}
        text = path.read_bytes()
        if not is_encrypted(text):
            raise AnsibleActionFail(f"{path} isn't encrypted: run ansible-vault encrypt on it")
        try:
            held = self._loader.load_from_file(str(path), cache="none")
        except AnsibleError as error:
            raise AnsibleActionFail(f"{path} can't be read with this vault password") from error
        if not isinstance(held, dict):
            raise AnsibleActionFail(f"{path} holds no variables")
        return held

    def _password(self):
        secrets = self._loader._vault.secrets
        if not secrets:
            raise AnsibleActionFail(
                "no vault password: give --vault-password-file, or ANSIBLE_VAULT_PASSWORD_FILE"
            )
        return secrets

    def _write(self, path: Path, held: dict[str, str]) -> None:
        # A JSON string is a YAML string, too, whatever is in it.
        lines = "".join(f"{name}: {json.dumps(str(held[name]))}\n" for name in sorted(held))
        identity, secret = self._password()[0]
        sealed = self._loader._vault.encrypt(f"---\n{_HEAD}{lines}", secret, vault_id=identity)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as sink:
            sink.write(sealed)
            sink.flush()
            os.fsync(sink.fileno())
        fresh.replace(path)
