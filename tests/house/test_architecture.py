"""The direction of imports, the places of `unsafe`, and the SQL files, as docs/ARCHITECTURE.md draws them.

The compiler keeps the crates apart; this keeps their manifests honest, and the modules of the root crate,
which the compiler would let import one another in circles.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

# Which crates of ours each may use. `sequin` is the root crate, the extension itself.
CRATES: dict[str, set[str]] = {
    "sequin-domain": set(),
    "sequin-provider": {"sequin-domain"},
    "sequin-net": {"sequin-domain"},
    "sequin": {"sequin-domain", "sequin-provider", "sequin-net"},
}
# Crates that are the business of one of ours alone.
RESERVED = {"pgrx": "sequin", "reqwest": "sequin-net", "tokio": "sequin-net", "rustls": "sequin-net"}

# Which modules of the root crate each may use. The crate's root (src/lib.rs) may use all of them.
MODULES: dict[str, set[str]] = {
    "error": set(),
    "settings": set(),
    "secret": {"error", "pg", "settings"},
    "pg": {"error"},
    "store": {"error", "pg", "secret"},
    "api": {"error", "pg", "secret", "settings", "store"},
    # The order in which the extension's SQL is made.
    "schema": {"api"},
    "worker": {"error", "pg", "secret", "settings", "store"},
    # They know SQL only.
    "sql_tests": set(),
}

UNSAFE_PLACES = ("src/pg/", "crates/net/src/thread.rs")


# Reading Rust


def code_only(text: str) -> str:
    """The text without comments, and with strings and characters emptied."""
    token = re.compile(
        r"""//[^\n]*|/\*.*?\*/|b?c?r(?P<fence>\#*)".*?"(?P=fence)|[bc]?"(?:\\.|[^"\\])*"|b?'(?:\\[^']+|[^'\\])'""",
        re.DOTALL,
    )
    return token.sub(lambda found: "" if found[0].startswith(("//", "/*")) else '""', text)


def split_inline_modules(code: str) -> Iterator[tuple[int, str]]:
    """The code of a file and of each `mod name { … }` in it, with how deep it stands."""
    own, position = [], 0
    for found in re.finditer(r"\bmod\s+\w+\s*\{", code):
        if found.start() < position:
            continue  # within a module that has been cut out already
        own.append(code[position : found.start()])
        depth, position = 1, found.end()
        while depth and position < len(code):
            depth += {"{": 1, "}": -1}.get(code[position], 0)
            position += 1
        for deeper, inner in split_inline_modules(code[found.end() : position - 1]):
            yield deeper + 1, inner
    own.append(code[position:])
    yield 0, "".join(own)


def heads(code: str, start: int) -> list[str]:
    """The first names of a path or of a use tree that begins at `start`: `a::b` or `{a::b, c}`."""
    if not code.startswith("{", start):
        name = re.compile(r"\s*(\w+|\*)").match(code, start)
        return [name[1]] if name else []
    names, depth, at_head = [], 0, False
    for found in re.compile(r"[{},]|\w+|\*").finditer(code, start):
        match found[0]:
            case "{":
                depth += 1
                at_head = depth == 1
            case "}":
                depth -= 1
                if depth == 0:
                    break
            case ",":
                at_head = depth == 1
            case name:
                if at_head:
                    names.append(name)
                at_head = False
    return names


def module_path(file: str) -> list[str]:
    """`src/pg/wait.rs` → ["pg", "wait"]; `src/lib.rs` → []."""
    parts = list(Path(file).with_suffix("").parts[1:])
    return parts[:-1] if parts[-1] in ("mod", "lib") else parts


def imports(file: str, text: str) -> set[str]:
    """The modules of the root crate that a file uses, its own left out."""
    path = module_path(file)
    found: set[str] = set()
    for depth, code in split_inline_modules(code_only(text)):
        for crate in re.finditer(r"\bcrate::", code):
            found.update(heads(code, crate.end()))
        for up in re.finditer(r"(?<![\w:])((?:self::)?(?:super::)+)", code):
            if up[1].count("super::") == len(path) + depth:
                found.update(heads(code, up.end()))
    return found - set(path[:1])


def import_problems(file: str, text: str) -> list[str]:
    """What a file under src/ imports against the direction."""
    path = module_path(file)
    if not path:
        return []
    if path[0] not in MODULES:
        return [f"{file}: the module {path[0]} has no place in MODULES of {Path(__file__).name}; give it one"]
    wrong = (imports(file, text) & MODULES.keys()) - MODULES[path[0]]
    return [f"{file}: {path[0]} must not use {name}" for name in sorted(wrong)]


def unsafe_problems(file: str, text: str) -> list[str]:
    """Unsafe code outside of its places. `#[unsafe(no_mangle)]` is none: it names a worker's function."""
    if file.startswith(UNSAFE_PLACES):
        return []
    code = code_only(text).replace("#[unsafe(no_mangle)]", "")
    return (
        [f"{file}: unsafe code belongs under {' or '.join(UNSAFE_PLACES)}"]
        if re.search(r"\bunsafe\b", code)
        else []
    )


def manifest_problems(text: str) -> list[str]:
    """What a crate's manifest depends on against the direction; dependencies for tests count as well."""
    manifest = tomllib.loads(text)
    name = manifest["package"]["name"]
    if name not in CRATES:
        return [f"the crate {name} has no place in CRATES of {Path(__file__).name}; give it one"]
    sections = [manifest, *manifest.get("target", {}).values()]
    kinds = ("dependencies", "dev-dependencies", "build-dependencies")
    used = {dependency for section in sections for kind in kinds for dependency in section.get(kind, {})}
    ours = {f"{name} must not use {crate}" for crate in used & CRATES.keys() - CRATES[name]}
    reserved = {
        f"{name} must not use {crate}: that is for {owner} alone"
        for crate, owner in RESERVED.items()
        if owner != name and any(each == crate or each.startswith(f"{crate}-") for each in used)
    }
    return sorted(ours | reserved)


# The checkout


def rust_files(*folders: str) -> list[str]:
    found = [path for folder in folders for path in (CHECKOUT / folder).rglob("*.rs")]
    assert found, f"no Rust under {folders}"
    return sorted(str(path.relative_to(CHECKOUT)) for path in found)


def manifests() -> list[str]:
    return [
        "Cargo.toml",
        *sorted(str(path.relative_to(CHECKOUT)) for path in CHECKOUT.glob("crates/*/Cargo.toml")),
    ]


def read(file: str) -> str:
    return (CHECKOUT / file).read_text(encoding="utf-8")


def test_every_crate_uses_only_those_below_it() -> None:
    assert len(manifests()) == len(CRATES)
    problems = [f"{file}: {problem}" for file in manifests() for problem in manifest_problems(read(file))]
    assert not problems, "\n".join(problems)


def test_every_module_uses_only_those_below_it() -> None:
    problems = [problem for file in rust_files("src") for problem in import_problems(file, read(file))]
    assert not problems, "\n".join(problems)


def test_unsafe_code_is_in_its_places() -> None:
    problems = [
        problem for file in rust_files("src", "crates") for problem in unsafe_problems(file, read(file))
    ]
    assert not problems, "\n".join(problems)


def test_every_named_statement_is_used_and_exists() -> None:
    """A statement that nobody runs is never tested."""
    named = [each for file in rust_files("src") for each in re.findall(r"statement!\(([^)]+)\)", read(file))]
    used = {name for each in named for name in re.findall(r'"([^"]+)"', each)}
    folder = CHECKOUT / "sql" / "store"
    there = {str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.sql")}
    assert used == there, f"unused: {sorted(there - used)}; missing: {sorted(used - there)}"


def test_every_part_of_the_schema_is_installed() -> None:
    used = {
        name for file in rust_files("src") for name in re.findall(r'"[./]*sql/schema/(\w+)\.sql"', read(file))
    }
    there = {path.stem for path in (CHECKOUT / "sql" / "schema").glob("*.sql")}
    assert used == there, f"not installed: {sorted(there - used)}; missing: {sorted(used - there)}"


# The checks themselves


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("src/store/pages.rs", "use crate::worker::engine::Engine;", "store must not use worker"),
        ("src/pg/wait.rs", "fn f() { crate::settings::define() }", "pg must not use settings"),
        ("src/pg/mod.rs", "use super::store::{one, rows};", "pg must not use store"),
        ("src/api/syncs.rs", "use super::super::worker;", "api must not use worker"),
        (
            "src/api/syncs.rs",
            "use crate::{\n    error::{Result, invalid},\n    worker::{self},\n};",
            "not use worker",
        ),
        ("src/store/plan.rs", "mod tests { use super::super::super::api; }", "store must not use api"),
        ("src/error.rs", "pub use crate::pg;", "error must not use pg"),
        ("src/helpers.rs", "", "no place"),
    ],
)
def test_a_wrong_import_is_seen(file: str, text: str, expected: str) -> None:
    assert any(expected in problem for problem in import_problems(file, text))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (
            "src/store/plan.rs",
            "use super::{Result, column};\nuse crate::{error::{self, api}, secret::Sealed};",
        ),
        ("src/store/plan.rs", "mod tests { use super::*; use super::super::worker_rows; }"),
        ("src/pg/wait.rs", '// crate::worker wakes us\nconst WHY: &str = "crate::worker"; /* crate::api */'),
        ("src/pg/wait.rs", 'const WHY: &str = r#"a "quoted" crate::worker"#; const C: char = \'"\';'),
        ("src/worker/engine.rs", "use crate::{error, pg, secret, settings, store};"),
        ("src/lib.rs", "use crate::worker;"),
    ],
)
def test_a_right_import_is_no_problem(file: str, text: str) -> None:
    assert import_problems(file, text) == []


@pytest.mark.parametrize(
    ("file", "text", "allowed"),
    [
        ("src/worker/main.rs", "fn f() { unsafe { g() } }", False),
        ("crates/domain/src/name.rs", "unsafe fn f() {}", False),
        ("src/worker/main.rs", '// unsafe\n#[unsafe(no_mangle)]\nfn f() { log("unsafe") }', True),
        ("src/pg/process.rs", "fn f() { unsafe { g() } }", True),
    ],
)
def test_unsafe_code_is_seen(file: str, text: str, allowed: bool) -> None:
    assert (unsafe_problems(file, text) == []) is allowed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[package]\nname = "sequin-domain"\n[dependencies]\nsequin-net = {}', "sequin-net"),
        ('[package]\nname = "sequin-provider"\n[dev-dependencies]\nsequin-net = {}', "sequin-net"),
        ('[package]\nname = "sequin-net"\n[dependencies]\npgrx = "1"', "pgrx"),
        ('[package]\nname = "sequin-provider"\n[dev-dependencies]\npgrx-tests = "1"', "pgrx"),
        ('[package]\nname = "sequin"\n[target."cfg(unix)".dependencies]\nreqwest = "1"', "reqwest"),
        ('[package]\nname = "sequin-helpers"', "no place"),
    ],
)
def test_a_wrong_dependency_is_seen(text: str, expected: str) -> None:
    assert any(expected in problem for problem in manifest_problems(text))
