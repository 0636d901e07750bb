"""The APIs' own descriptions, OpenAPI documents and others, from npm packages.

A document is fetched once with `npm` and kept under `SEQUIN_TEST_CACHE`, or the checkout's `.cache/`.
"""

import hashlib
import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]


def openapi(package: str, member: str, sha256: str) -> dict[str, Any]:
    """The document at `member` of a package."""
    return json.loads(packaged(package, member, sha256).read_text())


def packaged(package: str, member: str, sha256: str) -> Path:
    """The file at `member` of a package. RuntimeError when it is not the one that tests know."""
    cache = Path(os.environ.get("SEQUIN_TEST_CACHE") or CHECKOUT / ".cache")
    name = Path(member)
    kept = cache / f"{name.stem}-{sha256[:12]}{name.suffix}"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            fetched = _fetch(Path(scratch), package, member)
            found = hashlib.sha256(fetched.read_bytes()).hexdigest()
            if found != sha256:
                raise RuntimeError(
                    f"{name.name} of {package} has the SHA-256 {found}, expected {sha256}: "
                    "the package is not what these tests were written against"
                )
            # Renamed into place, so that test runs side by side never read half a document.
            fetched.replace(kept)
    return kept


def _fetch(directory: Path, package: str, member: str) -> Path:
    command = ["npm", "pack", package, "--json", "--pack-destination", str(directory)]
    packed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    with tarfile.open(directory / json.loads(packed.stdout)[0]["filename"]) as archive:
        archive.extract(f"package/{member}", directory, filter="data")
    return directory / "package" / member


def part(document: dict[str, Any], paths: Iterable[str], method: str = "get") -> dict[str, Any]:
    """A document of one method of some paths, with what they refer to and without examples."""
    wanted = {
        path: {key: each for key, each in document["paths"][path].items() if key in (method, "parameters")}
        for path in paths
    }
    components: dict[str, dict[str, Any]] = {}

    def copied(node: Any) -> Any:
        if isinstance(node, list):
            return [copied(each) for each in node]
        if not isinstance(node, dict):
            return node
        reference = node.get("$ref")
        if isinstance(reference, str):
            *_, kind, name = reference.split("/")
            if name not in components.setdefault(kind, {}):
                components[kind][name] = {}  # before what it refers to itself: that may be this one
                components[kind][name] = copied(document["components"][kind][name])
        return {key: copied(each) for key, each in node.items() if key not in ("example", "examples")}

    found = copied(wanted)
    described = {key: document[key] for key in ("openapi", "info")}
    return {**described, "servers": [{"url": "/"}], "paths": found, "components": components}
