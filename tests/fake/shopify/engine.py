"""From the text of a query to its answer: read, validated against Shopify's schema, paid for, carried out."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
    execute,
    parse,
    validate,
)
from graphql.execution.values import get_variable_values

from ..core.http import Response
from .bulk import Bulk, Result, lines, objection
from .catalog import ROOTS
from .cost import Bucket, Estimate
from .errors import access_denied, internal, invalid, refused, throttled
from .execution import Run, resolve, resolve_type
from .listing import Lists, Page
from .pages import Listed, the_list
from .schema import Schema
from .shop import Shop
from .tokens import Viewer
from .writes import Writes

KEPT_QUERIES = 512
CAP = 25_000


@dataclass(slots=True)
class Question:
    """One request's query; `files` is where files are from its client's point of view."""

    schema: Schema
    viewer: Viewer
    text: str
    variables: dict[str, Any]
    name: str | None
    files: str
    received: float


@dataclass(slots=True)
class Document:
    document: DocumentNode | None
    errors: list[dict[str, Any]]

    @property
    def operations(self) -> list[OperationDefinitionNode]:
        assert self.document is not None
        return [each for each in self.document.definitions if isinstance(each, OperationDefinitionNode)]

    @property
    def fragments(self) -> dict[str, FragmentDefinitionNode]:
        assert self.document is not None
        return {
            each.name.value: each
            for each in self.document.definitions
            if isinstance(each, FragmentDefinitionNode)
        }


class Engine:
    def __init__(self, shop: Shop, seed: int) -> None:
        self.shop = shop
        self.bulk = Bulk(shop.clock, seed)
        self.bucket = Bucket()
        self.cap: int | None = CAP
        self._lists = Lists(shop)
        self._writes = Writes(shop, self.bulk, self.in_bulk)
        self._documents: dict[tuple[str, str], Document] = {}
        self._rng = random.Random(f"{seed}:shopify requests")

    def request_id(self) -> str:
        return str(self._rng.getrandbits(64))

    def answer(self, question: Question) -> Response:
        found = self._read(question.schema, question.text)
        if found.errors:
            return refused(found.errors)
        operations = [each for each in found.operations if question.name in (None, _name(each))]
        if len(operations) != 1:
            which = (
                "An operation name is required"
                if question.name is None
                else f'No operation named "{question.name}"'
            )
            return refused([{"message": which}])
        [operation] = operations
        schema = question.schema.graphql
        variables = get_variable_values(schema, operation.variable_definitions, question.variables)
        if isinstance(variables, list):
            return refused([_of_variables(each) for each in variables])
        estimate = Estimate(schema, found.fragments, variables).of(operation)
        single = self.bucket.single
        if single is not None and self.bucket.maximum is not None and estimate > single:
            return refused([_too_dear(estimate, single)], {"cost": self._cost(question, estimate, None)})
        if not self.bucket.take(question.viewer.bucket, estimate, question.received):
            return refused([throttled()], {"cost": self._cost(question, estimate, None)})
        return self._carried_out(question, found, operation, estimate)

    def throttled(self, seconds: float, key: str, now: float) -> Response:
        """As if others had used the app's points up: it takes so long until there are enough."""
        self.bucket.empty(key, now)
        cost = self.bucket.report(key, max(1, round(seconds * self.bucket.restore_rate)), None, now)
        return refused([throttled()], {"cost": cost})

    def failed(self, status: int) -> Response:
        response = refused([internal(self.request_id())])
        response.status = status
        return response

    def in_bulk(self, run: Run, text: str, grouped: bool) -> Result | str:
        """What a query gives in bulk, or why it can't be run so."""
        found = self._read(run.schema, text)
        if found.errors:
            return f"Invalid bulk query: {found.errors[0]['message']}"
        if len(found.operations) != 1:
            return "Bulk queries must contain a single operation"
        [operation] = found.operations
        if operation.variable_definitions:
            return "Bulk queries cannot have variables"
        refusal = objection(run.schema.graphql, operation, found.fragments)
        if refusal:
            return refusal
        everything = self._run(run.schema, run.viewer, run.files)
        everything.everything = True
        data, errors = self._execute(everything, found, {}, None)
        if any((each.get("extensions") or {}).get("code") == "ACCESS_DENIED" for each in errors):
            return Result([], 0, "ACCESS_DENIED")
        if errors:
            return errors[0]["message"]
        return lines(data or {}, grouped)

    # -- parts --------------------------------------------------------------------------------------------

    def _read(self, schema: Schema, text: str) -> Document:
        key = (schema.version, text)
        if key not in self._documents:
            if len(self._documents) >= KEPT_QUERIES:
                self._documents.clear()
            self._documents[key] = _read(schema, text)
        return self._documents[key]

    def _run(self, schema: Schema, viewer: Viewer, files: str) -> Run:
        return Run(self.shop, self._lists, self.bulk, schema, viewer, self.cap, self._writes.answer, files)

    def _carried_out(
        self, question: Question, found: Document, operation: OperationDefinitionNode, estimate: int
    ) -> Response:
        run = self._run(question.schema, question.viewer, question.files)
        denied = self._denied(question, operation)
        keys = [each for each in _top(operation) if _key(each) not in denied]
        data: dict[str, Any] | None = {}
        errors = [
            {**error.formatted, "path": [key]} for key, error in denied.items()
        ]  # The path of an error without a place in the execution.
        if keys or len(operation.selection_set.selections) > len(denied):
            data, more = self._execute(
                run, _without(found, operation, denied), question.variables, question.name
            )
            errors += more
        if data is not None:
            order = [_key(each) for each in _top(operation)]
            data |= dict.fromkeys(denied)
            data = dict(
                sorted(data.items(), key=lambda pair: order.index(pair[0]) if pair[0] in order else 0)
            )
        actual = min(estimate, 10 * len(keys) if operation.operation.value == "mutation" else run.spent)
        self.bucket.give_back(question.viewer.bucket, estimate - actual, question.received)
        extensions: dict[str, Any] = {"cost": self._cost(question, estimate, actual)}
        if run.warnings:
            extensions["search"] = run.warnings
        body = {"data": data, **({"errors": errors} if errors else {}), "extensions": extensions}
        listed = the_list(run.pages, data)
        if listed is None or errors:
            return Response.of_json(200, body)

        def again(ids: list[str]) -> dict[str, Any]:
            entries = [each for id in ids if (each := self.shop.item(id)) is not None]
            run = self._run(question.schema, question.viewer, question.files)
            run.shown[listed] = Page(entries, [""] * len(entries))
            data, _ = self._execute(run, found, question.variables, question.name)
            return (data or {})[listed]

        return Listed(body, listed, run.pages[listed], again).response()

    def _execute(
        self, run: Run, found: Document, variables: dict[str, Any], name: str | None
    ) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
        result = execute(
            run.schema.graphql,
            found.document,
            context_value=run,
            variable_values=variables,
            operation_name=name,
            field_resolver=resolve,
            type_resolver=resolve_type,
        )
        for error in result.errors or ():
            original = error.original_error
            if original is not None and not isinstance(original, GraphQLError):
                # A fault of the fake's own.
                raise original
        return result.data, [each.formatted for each in result.errors or ()]

    def _denied(self, question: Question, operation: OperationDefinitionNode) -> dict[str, GraphQLError]:
        """Lists at the root that may not be read: they are null, whatever the schema says of that."""
        found = {}
        for each in _top(operation):
            collection = ROOTS.get(each.name.value)
            if collection is None or not collection.scope or operation.operation.value != "query":
                continue
            scope = f"read_{collection.scope}"
            if not question.viewer.may(scope):
                found[_key(each)] = access_denied(each.name.value, scope)
        return found

    def _cost(self, question: Question, requested: int, actual: int | None) -> dict[str, Any]:
        return self.bucket.report(question.viewer.bucket, requested, actual, question.received)


def _read(schema: Schema, text: str) -> Document:
    try:
        document = parse(text)
    except GraphQLError as error:
        return Document(None, [error.formatted])
    errors = [invalid(each) for each in validate(schema.graphql, document)]
    return Document(document, errors)


def _of_variables(error: GraphQLError) -> dict[str, Any]:
    return error.formatted | {"extensions": {"code": "INVALID_VARIABLE"}}


def _too_dear(cost: int, most: int) -> dict[str, Any]:
    return {
        "message": f"Query cost is {cost}, which exceeds the single query max cost limit ({most}).",
        "extensions": {
            "code": "MAX_COST_EXCEEDED",
            "cost": cost,
            "maxCost": most,
            "documentation": "https://shopify.dev/api/usage/rate-limits",
        },
    }


def _name(operation: OperationDefinitionNode) -> str | None:
    return operation.name.value if operation.name else None


def _top(operation: OperationDefinitionNode) -> list[FieldNode]:
    return [each for each in operation.selection_set.selections if isinstance(each, FieldNode)]


def _key(field: FieldNode) -> str:
    return field.alias.value if field.alias else field.name.value


def _without(
    found: Document, operation: OperationDefinitionNode, denied: dict[str, GraphQLError]
) -> Document:
    """The document without some fields of its root."""
    if not denied:
        return found
    assert found.document is not None
    kept = [
        each
        for each in operation.selection_set.selections
        if not isinstance(each, FieldNode) or _key(each) not in denied
    ]
    selections = type(operation.selection_set)(selections=tuple(kept))
    changed = OperationDefinitionNode(
        operation=operation.operation,
        name=operation.name,
        variable_definitions=operation.variable_definitions,
        directives=operation.directives,
        selection_set=selections,
    )
    definitions = tuple(changed if each is operation else each for each in found.document.definitions)
    return Document(DocumentNode(definitions=definitions), [])
