"""Which resource a path is."""

from __future__ import annotations

import re

VERSION = re.compile(r"v(\d{2})\.0")
OLDEST, NEWEST = 31, 68
TEMPLATES = tuple(
    template.split("/")
    for template in (
        "",
        "limits",
        "sobjects",
        "sobjects/{object}",
        "sobjects/{object}/describe",
        "sobjects/{object}/deleted",
        "sobjects/{object}/updated",
        "sobjects/{object}/{id}",
        "sobjects/{object}/{id}/{field}",
        "query",
        "queryAll",
        "query/{locator}",
        "queryAll/{locator}",
        "composite/sobjects",
        "composite/sobjects/{object}",
        "composite/sobjects/{object}/{field}",
        "jobs/query",
        "jobs/query/{id}",
        "jobs/query/{id}/results",
        "jobs/query/{id}/resultPages",
    )
)


def resolve(parts: list[str]) -> tuple[str, list[str]] | None:
    """The template of what is below a version, and what stands in its braces; the most literal one first."""
    for template in TEMPLATES:
        if len(template) == len(parts) and all(
            each.startswith("{") or each == part for each, part in zip(template, parts, strict=True)
        ):
            given = [part for each, part in zip(template, parts, strict=True) if each.startswith("{")]
            return "/".join(template), given
    return None
