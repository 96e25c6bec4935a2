"""The store's program, and the source of every Go module that is linked into it.

The program itself names its modules with the hashes that Go's checksum database vouched for; what
lies in the bundle has these hashes. out/sources/go is laid out as a module proxy on disk, so the
program can be built from it without internet: docs/reference/bundle.md.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.machine.store_programs import cache_folder, find_minio, go_command
from bundle.licences import told_by_text
from bundle.parts import Part, sha256_of

__all__ = ["Module", "collect", "modules_of"]

_RIGHTS = re.compile(r"(?i)(licen[cs]e|copying|copyright|notice|unlicense|patents)[^/]*")


@dataclass(frozen=True)
class Module:
    path: str
    version: str
    # Go's own sum of the module's files, as in go.sum.
    sum: str

    @property
    def purl(self) -> str:
        return f"pkg:golang/{self.path}@{self.version}"


def collect(out: Path) -> list[Part]:
    """Fill out/store, out/sources/go and out/licences/go."""
    environ = dict(os.environ)
    program = find_minio(environ, _say)
    go = go_command(cache_folder(environ), environ, _say)
    built = _run(go, "version", "-m", str(program))
    target = out / "store" / "minio"
    target.parent.mkdir(parents=True)
    shutil.copyfile(program, target)
    target.chmod(0o755)
    main, *linked = modules_of(built)
    files = _download(go, [main, *linked])
    _place_graph(go, main, files[main], out)
    parts = []
    for each in (main, *linked):
        zipped = _place(files[each], out)
        rights = _rights(zipped)
        text = "\n\n".join(f"==> {name}\n\n{told}" for name, told in rights.items())
        parts.append(
            Part(
                purl=each.purl,
                name=each.path,
                version=each.version,
                licences=_licences(rights.values()),
                file="store/minio" if each == main else "",
                sha256=sha256_of(target) if each == main else "",
                sources=(zipped.relative_to(out).as_posix(),),
                holders=() if each == main else (main.purl,),
                notice=_noted(out, each, text),
            )
        )
    _list_versions(out / "sources" / "go")
    return [*parts, _library(go, built, main, out)]


def _library(go: Path, built: str, main: Module, out: Path) -> Part:
    """Go's own library is in every program; its licence lies beside any Go."""
    found = re.search(r": go(\S+)", built)
    assert found
    library = Module("std", found[1], "")
    text = (Path(_run(go, "env", "GOROOT").strip()) / "LICENSE").read_text()
    return Part(
        purl=library.purl,
        name=library.path,
        version=library.version,
        licences=told_by_text(text),
        holders=(main.purl,),
        notice=_noted(out, library, text),
    )


def modules_of(text: str) -> list[Module]:
    """From `go version -m`: the main module first, a replaced one as what replaced it."""
    found: list[Module] = []
    for line in text.splitlines():
        words = line.split()
        if words[:1] in (["mod"], ["dep"]):
            found.append(Module(words[1], words[2], words[3] if len(words) > 3 else ""))
        elif words[:1] == ["=>"]:
            found[-1] = Module(words[1], words[2], words[3] if len(words) > 3 else "")
    if not found or not all(each.sum for each in found):
        raise SystemExit(
            "the store's program doesn't name the modules that it was built from (a build from a "
            "working tree?), so its source can't be told: `make run STORE=minio` builds one"
        )
    return found


def _download(go: Path, modules: list[Module]) -> dict[Module, dict[str, str]]:
    """Each module's Zip, Info and GoMod in Go's own cache, its sum the one in the program."""
    named = [f"{each.path}@{each.version}" for each in modules]
    with tempfile.TemporaryDirectory() as empty:  # outside of any module
        answer = _run(go, "mod", "download", "-json", *named, folder=Path(empty))
    found = {(each["Path"], each["Version"]): each for each in _documents(answer)}
    for module in modules:
        if found[module.path, module.version].get("Sum") != module.sum:
            raise SystemExit(
                f"{module.purl}: what Go downloads isn't what the program was built of"
            )
    return {each: found[each.path, each.version] for each in modules}


def _place_graph(go: Path, main: Module, files: dict[str, str], out: Path) -> None:
    """go.mod of every module that Go looks at to choose versions; small, and a build needs them."""
    with tempfile.TemporaryDirectory() as place:
        with zipfile.ZipFile(files["Zip"]) as archive:
            archive.extractall(place)
        folder = Path(place) / f"{main.path}@{main.version}"
        graph = _run(go, "mod", "graph", folder=folder)
        cached = Path(_run(go, "env", "GOMODCACHE").strip()) / "cache" / "download"
        for node in sorted({word for line in graph.splitlines() for word in line.split()}):
            path, _, version = node.partition("@")
            for ending in ("mod", "info"):
                file = cached / _escaped(path) / "@v" / f"{_escaped(version)}.{ending}"
                if version and file.exists():
                    _copy(file, out)


def _list_versions(proxy: Path) -> None:
    """What Go asks a proxy for besides a module itself: its versions, and the last one."""
    for folder in sorted(proxy.rglob("@v")):
        told = sorted(each for each in folder.glob("*.info"))
        (folder / "list").write_text("".join(f"{each.stem}\n" for each in told))
        if told:
            shutil.copyfile(told[-1], folder.with_name("@latest"))


def _place(files: dict[str, str], out: Path) -> Path:
    for each in ("Info", "GoMod"):
        _copy(Path(files[each]), out)
    return _copy(Path(files["Zip"]), out)


def _copy(file: Path, out: Path) -> Path:
    """From Go's cache, which is laid out as a proxy is."""
    inner = file.as_posix().partition("/cache/download/")[2]
    target = out / "sources" / "go" / inner
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        shutil.copyfile(file, target)
    return target


def _licences(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for text in texts for name in told_by_text(text)))


def _rights(zipped: Path) -> dict[str, str]:
    """The licence files at a module's top."""
    with zipfile.ZipFile(zipped) as archive:
        return {
            name.rpartition("/")[2]: archive.read(name).decode("utf-8", "replace")
            for name in sorted(archive.namelist())
            if _RIGHTS.fullmatch(re.sub(r"^.*?@[^/]+/", "", name))
        }


def _noted(out: Path, module: Module, text: str) -> str:
    if not text:
        return ""
    name = f"{module.path.replace('/', '_')}@{module.version}.txt"
    target = out / "licences" / "go" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    return target.relative_to(out).as_posix()


def _escaped(text: str) -> str:
    """As Go names files: upper case is `!` and lower case."""
    return re.sub("[A-Z]", lambda found: f"!{found[0].lower()}", text)


def _documents(text: str) -> Iterable[dict[str, Any]]:
    """JSON values one after the other."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text.rstrip()):
        value, at = decoder.raw_decode(text, at)
        at += len(text[at:]) - len(text[at:].lstrip())
        yield value


def _run(go: Path, *arguments: str, folder: Path | None = None) -> str:
    done = subprocess.run(
        [str(go), *arguments],
        cwd=folder,
        env={**os.environ, "GOFLAGS": "-mod=mod"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"go {arguments[0]} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def _say(text: str) -> None:
    print(f"bundle: {text}", flush=True)
