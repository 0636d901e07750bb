"""The tables of collections in docs/providers.md are those that the declarations make."""

import runpy
from pathlib import Path
from typing import Any

import pytest
from house.test_docs import table

CHECKOUT = Path(__file__).resolve().parents[2]
TABLES = runpy.run_path(str(CHECKOUT / "scripts" / "provider_tables.py"))
HEADER = ["collection", "what", "list", "backfill", "changes", "deletes"]


def declaration(*collections: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {
        "provider": "crm",
        "title": "CRM",
        "record": {"id": "/id", "created_at": {"at": "/made", "format": "iso8601"}},
        "collections": [
            {"title": each["name"].title(), "changes": {"sweep": 60}, **each} for each in collections
        ],
        **members,
    }


def rows(declared: dict[str, Any], *header: str) -> list[list[str]]:
    return table("\n".join([*TABLES["table"](declared), ""]), *header)


def test_the_document_is_up_to_date() -> None:
    text = TABLES["DOCUMENT"].read_text(encoding="utf-8")
    assert text == TABLES["brought_up_to_date"](text), "run make tables"


def test_every_built_in_provider_has_a_table() -> None:
    built_in = (CHECKOUT / "crates" / "provider" / "src" / "catalogue.rs").read_text(encoding="utf-8")
    declared = TABLES["declarations"]()
    assert len(declared) >= 2
    assert all(f"providers/{each['provider']}.json" in built_in for each in declared)


def test_a_document_without_markers_is_refused() -> None:
    for text in ("", TABLES["BEGIN"], TABLES["END"], TABLES["END"] + TABLES["BEGIN"]):
        with pytest.raises(SystemExit):
            TABLES["brought_up_to_date"](text)


def test_backfills_are_told_apart() -> None:
    bounds = {"from": "from", "before": "before"}
    declared = declaration(
        {"name": "deal", "path": "/deals", "created": bounds},
        {"name": "owner", "path": "/owners", "created": bounds, "record": {"created_at": None}},
        {"name": "call", "path": "/calls", "created": {"from": "from"}},
        {"name": "note", "path": "/deals/{parent.id}/notes", "parent": {"collection": "deal"}},
        {"name": "file", "path": "/notes/{parent.id}/files", "parent": {"collection": "note"}},
        {
            "name": "board",
            "path": [
                {"option": "team", "path": "/teams/{team}"},
                {"option": "board", "path": "/boards/{board}"},
            ],
        },
        {"name": "card", "path": "/boards/{parent.id}/cards", "parent": {"collection": "board"}},
    )
    assert {row[0]: row[3] for row in rows(declared, *HEADER)} == {
        "`crm:deal`": "ranges",
        "`crm:owner`": "pages",
        "`crm:call`": "pages",
        "`crm:note`": "ranges beneath `deal`",
        "`crm:file`": "ranges beneath `note` beneath `deal`",
        "`crm:board`": "pages by `team` and `board`",
        "`crm:card`": "pages beneath `board`",
    }


@pytest.mark.parametrize(
    ("collection", "changes", "deletes"),
    [
        ({"changes": {"feed": "f", "object": "deal"}}, "events", "events"),
        (
            {"changes": {"feed": "f", "parent_object": "deal", "sweep": 604_800}},
            "events of the parent, sweep each 7 d",
            "events of the parent, sweep each 7 d",
        ),
        ({"changes": {"poll": 90, "lookback": 3600}}, "new ones each 90 s (1 h back)", "not at all"),
        (
            {
                "changes": {"poll": 60, "lookback": 60},
                "updated": {"from": "since"},
                "deleted": {"path": "/gone"},
            },
            "changes each 1 min (1 min back)",
            "a list of them each 1 min",
        ),
        (
            {"changes": {"poll": 30, "of_parents": True, "sweep": 60}, "parent": {"collection": "deal"}},
            "those of changed `deal` each 30 s, sweep each 1 min",
            "sweep each 1 min",
        ),
    ],
)
def test_changes_and_deletions_in_words(collection: dict[str, Any], changes: str, deletes: str) -> None:
    declared = declaration({"name": "deal", "path": "/deals"}, {"name": "x", "path": "/x", **collection})
    assert rows(declared, *HEADER)[1][4:] == [changes, deletes]


def test_writes_have_a_column_where_there_are_any() -> None:
    write = {"method": "POST", "path": "/deals"}
    silent = declaration({"name": "deal", "path": "/deals"})
    assert len(rows(silent, *HEADER)[0]) == len(HEADER)
    declared = declaration(
        {"name": "deal", "path": "/deals", "writes": {"create": write, "update": write}},
        {"name": "call", "path": "/calls"},
    )
    assert [row[-1] for row in rows(declared, *HEADER, "writes")] == ["create, update", ""]
