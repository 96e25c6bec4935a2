"""`make bundle`, and `python -m bundle check FOLDER` for one that is made already.

The bundle appears under its name in var/bundle only when it is whole, checked and signed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tomllib
from pathlib import Path

from bundle import debian, go_modules, project, wheels
from bundle.check import Finding, decided, findings, parse_decisions
from bundle.manifest import VERIFY, files_of, new_key, sign, signers_line
from bundle.notices import notices_text
from bundle.parts import sha256_of
from bundle.places import OUT, bundle_name, commit_time, version
from bundle.sbom import BOM, bom_of
from bundle.schema import schema_findings

HERE = Path(__file__).parent
INTERNAL = "NOT-TO-BE-PASSED-ON.md"
_INTERNAL_HEAD = """# For your own hosts only

Made with STOWBAY_BUNDLE_INTERNAL=yes: of these parts the source, or the licence, couldn't be had.
Use the bundle on hosts of your own; don't give it to anybody.

"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bundle", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("make", help="make and sign var/bundle/stowbay-VERSION-debian13-amd64")
    checking = commands.add_parser("check", help="a bundle that is made already, by its bill")
    checking.add_argument("folder", type=Path)
    given = parser.parse_args()
    if given.command == "check":
        if not (given.folder / BOM).is_file():
            checking.error(f"no {BOM} in {given.folder}")
        return _report(_check(given.folder))
    if os.geteuid() != 0:
        print("Debian's packages are resolved by apt in a Debian 13 of their own: this needs root.",
              file=sys.stderr)  # fmt: skip
        return 1
    return _make()


def _check(folder: Path) -> list[Finding]:
    text = (folder / BOM).read_text("utf-8")
    return schema_findings(text) or findings(json.loads(text), _files(folder))


def _make() -> int:
    os.umask(0o022)
    key = Path(os.environ.get("STOWBAY_BUNDLE_KEY") or OUT.parent / "bundle-key" / "ed25519")
    if "STOWBAY_BUNDLE_KEY" not in os.environ:
        new_key(key)
    out = OUT / f".making-{bundle_name()}"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    try:
        told = _fill(out)
        if _stops(told):
            return _report(told)
        if told:
            (out / INTERNAL).write_text(_INTERNAL_HEAD + "".join(f"- {e.text}\n" for e in told))
            _say(f"{len(told)} sources or licences couldn't be had: not to be passed on")
        sign(out, key)
        _place(out, key)
    finally:
        shutil.rmtree(out, ignore_errors=True)
    return 0


def _stops(told: list[Finding]) -> bool:
    """Whether any finding keeps the bundle from being signed."""
    internal = os.environ.get("STOWBAY_BUNDLE_INTERNAL") == "yes"
    return any(not (each.conveying and internal) for each in told)


def _fill(out: Path) -> list[Finding]:
    """What is wrong with it; none if it may be signed."""
    seconds = commit_time()
    parts = project.collect(out)
    _say("Debian's packages and their sources ...")
    parts += debian.collect(out, version(), seconds)
    _say("wheels ...")
    parts += wheels.collect(out)
    _say("the store's program and its sources ...")
    parts += go_modules.collect(out)
    with (HERE / "reviewed.toml").open("rb") as handle:
        given, wrong = decided(parts, parse_decisions(tomllib.load(handle)))
    bom = bom_of(parts, given, version(), seconds)
    text = json.dumps(bom, indent=1, ensure_ascii=False) + "\n"
    (out / BOM).write_text(text, "utf-8")
    (out / "NOTICES.md").write_text(notices_text(bom))
    shutil.copy(HERE / "README.md", out / "README.md")
    shutil.copy(HERE / "controller.sh", out / "controller.sh")
    shutil.copy(VERIFY, out / "verify.sh")
    return wrong + schema_findings(text) + findings(bom, _files(out))


def _place(out: Path, key: Path) -> None:
    """The bundle, and beside it what goes to the hosts' people on another way."""
    final = OUT / bundle_name()
    size = sum((out / each).stat().st_size for each in files_of(out))
    shutil.rmtree(final, ignore_errors=True)
    out.rename(final)
    public = key.with_name(f"{key.name}.pub").read_text()
    (OUT / "allowed_signers").write_text(signers_line(public))
    shutil.copy(VERIFY, OUT / "verify.sh")
    _say(f"{final}, {size / 1e6:.0f} MB in {len(files_of(final))} files")
    _say(f"hand {OUT}/allowed_signers and verify.sh over on another way than the bundle")


def _files(folder: Path) -> dict[str, str]:
    return {each: sha256_of(folder / each) for each in files_of(folder)}


def _report(told: list[Finding]) -> int:
    for each in told:
        print(f"bundle: {each.text}", file=sys.stderr)
    print(f"bundle: {len(told)} findings" if told else "bundle: no findings", file=sys.stderr)
    return 1 if told else 0


def _say(text: str) -> None:
    print(f"bundle: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
