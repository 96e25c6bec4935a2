"""A folder of the controller as one file, to be copied in one go; gone when Ansible ends."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

from ansible import constants
from ansible.plugins.lookup import LookupBase

DOCUMENTATION = r"""
name: stowbay_packed
author: [Stowbay]
short_description: Path of a tar file of each folder named
description: [Holds the plain files of the folder itself; gone when Ansible ends.]
options:
  _terms: {description: [Folders on the controller.], required: true}
"""


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        return [_packed(Path(term)) for term in terms]


def _packed(folder: Path) -> str:
    # Each fork packs its own file: none sees another's half.
    target = Path(constants.DEFAULT_LOCAL_TMP) / f"{folder.name}-{os.getpid()}.tar"
    if not target.exists():
        with tarfile.open(target, "w") as pack:
            for path in sorted(folder.iterdir()):
                if path.is_file():
                    pack.add(path, path.name, filter=_plain)
    return str(target)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mode = 0o644
    return entry
