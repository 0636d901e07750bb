"""The documents against the source: nothing public is left out of the reference, nothing in it is invented.

`tests/e2e/test_docs.py` compares the same reference with a live database and runs its examples.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
REFERENCE = CHECKOUT / "docs" / "reference.md"
DOCUMENTS = sorted(
    [*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").glob("*.md")], key=lambda path: (len(path.parts), path)
)


# Reading the reference


@dataclass
class Entry:
    """One `### sequin.…` of the reference: a function with its signature, or a relation with its columns."""

    name: str
    signature: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    """Name → type, of a relation."""


FENCE = re.compile(r"^```sql\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def table(text: str, *header: str) -> list[list[str]]:
    """The rows of the first table whose header begins with these cells."""
    rows: list[list[str]] = []
    inside = False
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not inside:
            inside = tuple(cells[: len(header)]) == header
        elif not cells:
            break
        elif set(cells[0]) != {"-"}:
            rows.append(cells)
    return rows


def entries(text: str) -> Iterator[Entry]:
    for section in re.split(r"^(?=##+ )", text, flags=re.MULTILINE):
        heading = re.match(r"### sequin\.(\w+)\n", section)
        if not heading:
            continue
        entry = Entry(heading[1])
        block = FENCE.search(section)
        if block and block[1].startswith(f"sequin.{entry.name}("):
            entry.signature = block[1].strip()
        entry.columns = {row[0].strip("`"): row[1] for row in table(section, "column", "type")}
        yield entry


def settings(text: str) -> dict[str, list[str]]:
    """Setting → default, smallest and largest value, as they are written."""
    return {row[0].strip("`"): row[1:4] for row in table(text, "setting", "default")}


def parameters(signature: str) -> list[str]:
    """The names of the parameters of `sequin.name(…) …`, optional ones with a question mark behind."""
    depth, current, found = 0, "", []
    for piece in re.findall(r"'(?:[^']|'')*'|.", signature[signature.index("(") + 1 :], re.DOTALL):
        if depth == 0 and piece in ",)":
            found.append(current)
            current = ""
            if piece == ")":
                break
            continue
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(piece, 0)
        current += piece
    found = [part.strip() for part in found if part.strip()]
    return [part.split()[0].strip('"') + ("?" if re.search(r"\bDEFAULT\b", part) else "") for part in found]


# Reading the source


def source(folder: str, pattern: str) -> str:
    files = sorted((CHECKOUT / folder).glob(pattern))
    assert files, f"no {pattern} under {folder}"
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def without_comments(sql: str) -> str:
    return re.sub(r"--[^\n]*", "", sql)


def declared_functions() -> dict[str, list[str]]:
    """Public function → its parameters."""
    found: dict[str, list[str]] = {}
    for function in re.finditer(r"CREATE FUNCTION sequin\.([a-z]\w*)\s*\(", without_comments(schema())):
        found[function[1]] = parameters(function.string[function.end() - 1 :])
    rust = re.compile(
        r"#\[pg_extern(?:\((?P<options>[^]]*?)\))?\]\s*(?:#\[[^]]*\]\s*)*"
        r"fn (?P<name>\w+)\s*\((?P<arguments>.*?)\)\s*(?:->|\{)",
        re.DOTALL,
    )
    for function in rust.finditer(source("src/api", "*.rs")):
        named = re.search(r'name = "(\w+)"', function["options"] or "")
        name = named[1] if named else function["name"]
        if name.startswith("_"):
            continue
        arguments = re.findall(r"(\w+):\s*(default!)?", re.sub(r"\(.*?\)", "", function["arguments"]))
        found[name] = [argument + ("?" if default else "") for argument, default in arguments]
    return found


def schema() -> str:
    return source("sql/schema", "*.sql")


def declared_relations() -> set[str]:
    return set(re.findall(r"CREATE (?:TABLE|VIEW) sequin\.([a-z]\w*)", without_comments(schema())))


def declared_settings() -> set[str]:
    text = (CHECKOUT / "src" / "settings.rs").read_text(encoding="utf-8")
    return set(re.findall(r'define_\w+_guc\(\s*c"(sequin\.\w+)"', text))


def documented() -> list[Entry]:
    return list(entries(REFERENCE.read_text(encoding="utf-8")))


# The reference


def test_every_function_is_in_the_reference_and_no_other() -> None:
    written = {entry.name: parameters(entry.signature) for entry in documented() if entry.signature}
    declared = declared_functions()
    assert written.keys() == declared.keys()
    assert written == declared


def test_every_table_and_view_is_in_the_reference_and_no_other() -> None:
    assert {entry.name for entry in documented() if not entry.signature} == declared_relations()


def test_every_entry_says_something() -> None:
    for entry in documented():
        assert entry.signature or entry.columns, f"sequin.{entry.name} has neither a signature nor columns"
    names = [entry.name for entry in documented()]
    assert len(names) == len(set(names))


def test_every_setting_is_in_the_reference_and_no_other() -> None:
    assert settings(REFERENCE.read_text(encoding="utf-8")).keys() == declared_settings()


def test_every_name_of_the_schema_that_a_document_mentions_exists() -> None:
    known = declared_functions().keys() | declared_relations() | {"updated_idx"}
    known |= {name.removeprefix("sequin.") for name in declared_settings()}
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        mentioned = set(re.findall(r"(?<![\w./-])sequin\.([a-z]\w+)", text)) - {
            "key",
            "control",
            "so",
            "json",
        }
        assert mentioned <= known, f"{document.name} mentions {sorted(mentioned - known)}"


# The documents


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        assert file.exists(), f"{target} of {document.name} does not exist"
        if anchor:
            assert anchor in anchors(file), f"{target} of {document.name} has no such heading"


def test_every_document_is_linked_from_the_readme() -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    for document in DOCUMENTS:
        name = document.relative_to(CHECKOUT).as_posix()
        assert name == "README.md" or f"]({name}" in readme, f"README.md does not link {name}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_are_named_exist(document: Path) -> None:
    """Paths in `code` that begin with a folder of the repository."""
    folders = "crates|src|sql|tests|docs|scripts|benches|providers|pgrx-config"
    text = document.read_text(encoding="utf-8")
    for name in re.findall(rf"`((?:{folders})/[\w./-]+)`", text):
        assert (CHECKOUT / name).exists(), f"{document.name} names {name}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_make_targets_that_are_named_exist(document: Path) -> None:
    targets = set(
        re.findall(r"^([a-z][\w-]*):", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    named = set(re.findall(r"\bmake ([a-z][\w-]*)", " ".join(code_of(document))))
    assert named <= targets, f"{document.name} names {sorted(named - targets)}"


def code_of(document: Path) -> list[str]:
    return re.findall(r"```.*?```|`[^`]+`", document.read_text(encoding="utf-8"), re.DOTALL)


def test_the_changelog_has_the_version() -> None:
    version = tomllib.loads((CHECKOUT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    assert f"## {version}" in (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")


# Providers


def providers_text() -> str:
    return (CHECKOUT / "docs" / "providers.md").read_text(encoding="utf-8")


def declared_rules(provider: str) -> list[dict[str, Any]]:
    declaration = json.loads((CHECKOUT / "providers" / f"{provider}.json").read_text(encoding="utf-8"))
    return declaration["errors"]["rules"]


def statuses(rule: dict[str, Any]) -> str:
    return ", ".join(str(status) for status in rule["status"])


def test_what_stripes_answers_mean_is_its_declaration() -> None:
    rules = [
        [statuses(rule), f"`{rule['code']}`" if "code" in rule else "", f"`{rule['class']}`"]
        for rule in declared_rules("stripe")
    ]
    assert table(providers_text(), "status", "code", "class") == rules


def test_what_salesforces_answers_mean_is_its_declaration() -> None:
    rules = [
        [statuses(rule), f"`{rule['code']}`" if "code" in rule else "", f"`{rule['class']}`"]
        for rule in declared_rules("salesforce")
    ]
    section = providers_text().partition("### What Salesforce's answers mean")[2]
    assert table(section, "status", "code", "class") == rules


def test_what_githubs_answers_mean_is_its_declaration() -> None:
    def header(rule: dict[str, Any]) -> str:
        found = rule.get("header", {})
        return f"`{': '.join(found[key] for key in ('name', 'value') if key in found)}`" if found else ""

    def meaning(rule: dict[str, Any]) -> str:
        return f"`{rule['class']}`" + (", or hidden" if rule.get("or_hidden") else "")

    rules = [[statuses(rule), header(rule), meaning(rule)] for rule in declared_rules("github")]
    assert table(providers_text(), "status", "header", "class") == rules


def test_the_delays_are_those_of_the_code() -> None:
    """Class → the first and the longest delay in seconds."""
    code = (CHECKOUT / "crates" / "domain" / "src" / "failure.rs").read_text(encoding="utf-8")
    (delays,) = re.findall(r"fn delays.*?match self \{(.*?)\};", code, re.DOTALL)
    names = dict(re.findall(r'Self::(\w+) => "(\w+)"', code))
    declared = {
        names[variant]: (int(first), int(longest))
        for variants, first, longest in re.findall(r"([\w:| ]+) => \((\d+), (\d+)\)", delays)
        for variant in re.findall(r"Self::(\w+)", variants)
    }
    written = {}
    for row in table(providers_text(), "class", "meaning"):
        first, longest = re.findall(r"(\d+) (s|min)", row[2])[:2]
        seconds = [int(number) * {"s": 1, "min": 60}[unit] for number, unit in (first, longest)]
        written[row[0].strip("`")] = tuple(seconds)
    assert written == declared


# The readers themselves


def test_a_signature_is_read() -> None:
    signature = "sequin.f(a text, b numeric(3, 1) DEFAULT 1.5, \"limit\" int[] DEFAULT '{1,2}') RETURNS int"
    assert parameters(signature) == ["a", "b?", "limit?"]


def test_an_entry_is_read() -> None:
    text = """## Things

### sequin.do_it

```sql
sequin.do_it(name text) RETURNS void
```

| parameter | meaning |
| --- | --- |
| `name` | x |

### sequin.things

| column | type | meaning |
| --- | --- | --- |
| `id` | uuid | |
| `note` | text | a \\| b |

```sql
SELECT 1;
```
"""
    assert list(entries(text)) == [
        Entry("do_it", "sequin.do_it(name text) RETURNS void"),
        Entry("things", None, {"id": "uuid", "note": "text"}),
    ]
