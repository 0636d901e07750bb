"""`make tables`: writes the tables of the built-in providers' collections into docs/providers.md.

They say what the declarations say, and nothing in them is written by hand.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "providers.md"
BEGIN = "<!-- tables: written by make tables -->"
END = "<!-- end of tables -->"

ACTIONS = ("create", "update", "delete", "upsert")
UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))

Declared = dict[str, Any]


def declarations() -> list[Declared]:
    """Those that are built in, by their names."""
    # Beside them stand the schema, and fields in files of their own.
    files = (path for path in (ROOT / "providers").glob("*.json") if "." not in path.stem)
    found = [written_out(json.loads(path.read_text(encoding="utf-8"))) for path in files]
    return sorted(found, key=lambda declaration: declaration["provider"])


def written_out(declaration: Declared) -> Declared:
    """The declaration with what its collections have by their templates, and their exports in common."""
    templates = {
        each["name"]: each["collection"] for each in declaration.get("discover", {}).get("templates", ())
    }

    def whole(collection: Declared) -> Declared:
        if (template := collection.get("template")) is None:
            return collection
        filled = json.loads(json.dumps(templates[template]).replace("{kind}", collection["kind"]))
        return filled | {name: value for name, value in collection.items() if name != "template"}

    def exported(collection: Declared) -> Declared:
        if "bulk" not in collection:
            return collection
        kind = json.dumps(declaration.get("bulk", {})).replace("{kind}", collection.get("kind", "{kind}"))
        return {**collection, "bulk": merged(json.loads(kind), collection["bulk"])}

    return {**declaration, "collections": [exported(whole(each)) for each in declaration["collections"]]}


def merged(common: Declared, own: Declared) -> Declared:
    """Both; what is said in both, as the second says it."""
    both = {
        name: merged(common[name], own[name]) if isinstance(common[name], dict) else own[name]
        for name in common.keys() & own.keys()
    }
    return {**common, **own, **both}


def interval(seconds: int) -> str:
    size, unit = next((size, unit) for size, unit in UNITS if seconds % size == 0)
    return f"{seconds // size} {unit}"


def chain(declaration: Declared, collection: Declared) -> list[Declared]:
    """The collection and those that it stands beneath, the outermost last."""
    by_name = {each["name"]: each for each in declaration["collections"]}
    found = [collection]
    while parent := found[-1].get("parent"):
        found.append(by_name[parent["collection"]])
    return found


def paths(collection: Declared) -> str:
    """With documents all lists are at one path: the documents tell them apart."""
    path = collection["path"]
    query = (collection.get("body") or {}).get("query")
    if isinstance(query, dict) and "$document" in query:
        return f"`{query['$document']}.graphql`"
    return ", ".join(f"`{each}`" for each in ([path] if isinstance(path, str) else [p["path"] for p in path]))


def backfill(declaration: Declared, collection: Declared) -> str:
    """In ranges or page after page, and beneath what; or by an export."""
    levels = chain(declaration, collection)
    outermost = levels[-1]
    own_record, path = outermost.get("record", {}), outermost["path"]
    has_times = own_record.get("created_at", declaration["record"].get("created_at")) is not None
    is_bounded = bool((outermost.get("created") or {}).get("before"))
    words = ["ranges" if isinstance(path, str) and is_bounded and has_times else "pages"]
    words += [f"beneath `{level['name']}`" for level in levels[1:]]
    if not isinstance(collection["path"], str):
        words.append("by " + " and ".join(f"`{each['option']}`" for each in path))
    return " ".join(words) + (", or an export" if "bulk" in collection else "")


def polled(collection: Declared) -> str:
    """What a look at the list finds."""
    if collection["changes"].get("of_parents"):
        return f"those of changed `{collection['parent']['collection']}`"
    return "changes" if collection.get("updated") else "new ones"


def changes(collection: Declared) -> str:
    how, words = collection["changes"], []
    if how.get("object"):
        words.append("events")
    if how.get("parent_object"):
        words.append("events of the parent")
    if how.get("poll"):
        back = f" ({interval(how['lookback'])} back)" if how.get("lookback") else ""
        words.append(f"{polled(collection)} each {interval(how['poll'])}{back}")
    if how.get("sweep"):
        words.append(f"sweep each {interval(how['sweep'])}")
    return ", ".join(words)


def deletes(collection: Declared) -> str:
    how, words = collection["changes"], []
    if how.get("object"):
        words.append("events")
    if how.get("parent_object"):
        words.append("events of the parent")
    if deleted := collection.get("deleted"):
        words.append(f"a list of them each {interval(deleted.get('poll') or how['poll'])}")
    if how.get("sweep"):
        words.append(f"sweep each {interval(how['sweep'])}")
    return ", ".join(words) or "not at all"


def table(declaration: Declared) -> Iterator[str]:
    """Lines of Markdown. The column of writes is there where there are any."""
    has_writes = any(each.get("writes") for each in declaration["collections"])
    header = ["collection", "what", "list", "backfill", "changes", "deletes"] + ["writes"] * has_writes
    yield "| " + " | ".join(header) + " |"
    yield "| " + " | ".join("---" for _ in header) + " |"
    for collection in declaration["collections"]:
        cells = [
            f"`{declaration['provider']}:{collection['name']}`",
            collection["title"].replace("|", "\\|"),
            paths(collection),
            backfill(declaration, collection),
            changes(collection),
            deletes(collection),
        ]
        if has_writes:
            writes = collection.get("writes") or {}
            cells.append(", ".join(action for action in ACTIONS if writes.get(action)))
        yield "| " + " | ".join(cells) + " |"


def tables(declared: list[Declared]) -> str:
    sections = ("\n".join([f"### Collections of {each['title']}", "", *table(each)]) for each in declared)
    return "\n\n".join(sections)


def brought_up_to_date(text: str) -> str:
    """The document with the tables as they are now."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(
            f"{DOCUMENT.name} has not both of {BEGIN} and {END}: put them where the tables belong"
        )
    return f"{before}{BEGIN}\n\n{tables(declarations())}\n\n{END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(brought_up_to_date(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
