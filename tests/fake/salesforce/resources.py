"""What is below a version: which resource does what, with which methods."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from ..core.http import Request, Response
from . import describe
from .bulk import Bulk
from .composite import Composite
from .cursors import LARGEST, SMALLEST, Cursors
from .errors import ApiError, malformed, not_found
from .org import Org
from .query import run
from .replication import Replication
from .selection import Selection
from .view import View
from .writes import Writes

BATCH_SIZE = re.compile(r"\bbatchSize\s*=\s*(\d+)", re.IGNORECASE)
Handler = Callable[..., Response]


class Resources:
    def __init__(self, org: Org) -> None:
        self._org = org
        self.cursors = Cursors(org)
        self.bulk = Bulk(org)
        self.replication = Replication(org)
        self._handlers: dict[str, dict[str, Handler]] = {
            "": {"GET": self._directory},
            "limits": {"GET": self._limits},
            "sobjects": {"GET": self._objects},
            "sobjects/{object}": {"GET": self._object, "POST": self._create},
            "sobjects/{object}/describe": {"GET": self._describe},
            "sobjects/{object}/deleted": {"GET": self._deleted},
            "sobjects/{object}/updated": {"GET": self._updated},
            "sobjects/{object}/{id}": {"GET": self._record, "PATCH": self._update, "DELETE": self._delete},
            "sobjects/{object}/{id}/{field}": {"GET": self._by_field, "PATCH": self._upsert},
            "query": {"GET": lambda request, view: self._query(request, view, False)},
            "queryAll": {"GET": lambda request, view: self._query(request, view, True)},
            "query/{locator}": {"GET": self._more},
            "queryAll/{locator}": {"GET": self._more},
            "composite/sobjects": {
                "POST": self._create_many,
                "PATCH": self._update_many,
                "DELETE": self._delete_many,
            },
            "composite/sobjects/{object}": {"GET": self._retrieve, "POST": self._retrieve},
            "composite/sobjects/{object}/{field}": {"PATCH": self._upsert_many},
            "jobs/query": {"GET": self._jobs, "POST": self._create_job},
            "jobs/query/{id}": {"GET": self._job, "PATCH": self._abort_job, "DELETE": self._delete_job},
            "jobs/query/{id}/results": {"GET": self._results},
            "jobs/query/{id}/resultPages": {"GET": self._result_pages},
        }

    def answer(
        self, request: Request, view: View, template: str, given: list[str], limits: dict[str, Any]
    ) -> Response:
        """`given`: what stands in the template's braces. Raises ApiError."""
        handlers = self._handlers[template]
        handler = handlers.get(request.method)
        if handler is None:
            allowed = ", ".join(handlers)
            message = f"HTTP Method '{request.method}' not allowed. Allowed are {allowed}"
            raise ApiError(405, "METHOD_NOT_ALLOWED", message)
        if template == "limits":
            given = [*given, limits]
        return handler(request, view, *given)

    # -- what there is ------------------------------------------------------------------------------------

    def _directory(self, request: Request, view: View) -> Response:
        names = ("sobjects", "query", "queryAll", "limits", "composite", "jobs")
        return _json({name: f"{view.root}/{name}" for name in names})

    def _limits(self, request: Request, view: View, limits: dict[str, Any]) -> Response:
        return _json(limits)

    def _objects(self, request: Request, view: View) -> Response:
        return _json(describe.everything(view))

    def _object(self, request: Request, view: View, name: str) -> Response:
        return _json(describe.basic(view, _sobject(view, name)))

    def _describe(self, request: Request, view: View, name: str) -> Response:
        return _json(describe.whole(view, _sobject(view, name)))

    # -- reading ------------------------------------------------------------------------------------------

    def _query(self, request: Request, view: View, every: bool) -> Response:
        text = request.query_dict().get("q")
        if text is None:
            raise malformed("A query has to be specified")
        found = run(view, text, every)
        if isinstance(found, dict):
            return _json(found)
        return self.cursors.first(found, _batch_size(request))

    def _more(self, request: Request, view: View, locator: str) -> Response:
        return self.cursors.more(view.user, locator)

    def _record(self, request: Request, view: View, name: str, id: str) -> Response:
        sobject = _sobject(view, name)
        row = Writes(view).row(sobject, id)
        wanted = request.query_dict().get("fields")
        selection = Selection(view, sobject)
        if wanted is None:
            selection.add_every("ALL")
        for field in wanted.split(",") if wanted else ():
            selection.add(field.strip())
        return _json(selection.document(row))

    def _by_field(self, request: Request, view: View, name: str, id: str, field: str) -> Response:
        """The content of a base64 field, or a record by an external id: the path is the same."""
        sobject = _sobject(view, name)
        known = sobject.by_name.get(field.lower())
        if known is not None and known.type == "base64":
            row = Writes(view).row(sobject, id)
            content = (row[sobject.at[known.name]] or "").encode()
            return Response(200, content, {}, "application/octet-stream")
        key = Writes(view).external(sobject, id)
        found = self._org.tables[sobject.name].holder(key.name, field)
        if found is None:
            raise not_found()
        return self._record(request, view, name, found)

    def _deleted(self, request: Request, view: View, name: str) -> Response:
        return _json(self.replication.deleted(_sobject(view, name), request.query_dict()))

    def _updated(self, request: Request, view: View, name: str) -> Response:
        return _json(self.replication.updated(_sobject(view, name), request.query_dict()))

    # -- writing ------------------------------------------------------------------------------------------

    def _create(self, request: Request, view: View, name: str) -> Response:
        id = Writes(view).create(_sobject(view, name), _body(request))
        location = {"Location": f"{view.root}/sobjects/{name}/{id}"}
        return Response.of_json(201, {"id": id, "success": True, "errors": []}, location)

    def _update(self, request: Request, view: View, name: str, id: str) -> Response:
        Writes(view).update(_sobject(view, name), id, _body(request))
        return Response(204)

    def _delete(self, request: Request, view: View, name: str, id: str) -> Response:
        Writes(view).delete(_sobject(view, name), id)
        return Response(204)

    def _upsert(self, request: Request, view: View, name: str, field: str, value: str) -> Response:
        id, created = Writes(view).upsert(_sobject(view, name), field, value, _body(request))
        answer = {"id": id, "success": True, "errors": [], "created": created}
        return Response.of_json(201 if created else 200, answer)

    def _create_many(self, request: Request, view: View) -> Response:
        return _json(Composite(view).create(_body(request)))

    def _update_many(self, request: Request, view: View) -> Response:
        return _json(Composite(view).update(_body(request)))

    def _upsert_many(self, request: Request, view: View, name: str, field: str) -> Response:
        return _json(Composite(view).upsert(_sobject(view, name), field, _body(request)))

    def _delete_many(self, request: Request, view: View) -> Response:
        query = request.query_dict()
        wanted = [each for each in query.get("ids", "").split(",") if each]
        return _json(Composite(view).delete(wanted, query.get("allOrNone") == "true"))

    def _retrieve(self, request: Request, view: View, name: str) -> Response:
        if request.method == "GET":
            query = request.query_dict()
            wanted, fields = query.get("ids", "").split(","), query.get("fields", "").split(",")
        else:
            body = _body(request)
            wanted, fields = body.get("ids", []), body.get("fields", [])
        return _json(Composite(view).retrieve(_sobject(view, name), wanted, fields))

    # -- bulk ---------------------------------------------------------------------------------------------

    def _jobs(self, request: Request, view: View) -> Response:
        return _json(self.bulk.list(view))

    def _create_job(self, request: Request, view: View) -> Response:
        return _json(self.bulk.create(view, _body(request)))

    def _job(self, request: Request, view: View, id: str) -> Response:
        return _json(self.bulk.show(view, id))

    def _abort_job(self, request: Request, view: View, id: str) -> Response:
        return _json(self.bulk.abort(view, id, _body(request)))

    def _delete_job(self, request: Request, view: View, id: str) -> Response:
        self.bulk.delete(view, id)
        return Response(204)

    def _results(self, request: Request, view: View, id: str) -> Response:
        return self.bulk.results(view, id, request)

    def _result_pages(self, request: Request, view: View, id: str) -> Response:
        return _json(self.bulk.result_pages(view, id, request))


def _json(value: Any) -> Response:
    return Response.of_json(200, value)


def _sobject(view: View, name: str) -> Any:
    """In a path, an object that is not there is a resource that is not there."""
    try:
        return view.sobject(name)
    except ApiError:
        raise not_found() from None


def _body(request: Request) -> dict[str, Any]:
    try:
        body = request.json()
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, "JSON_PARSER_ERROR", str(error)) from None
    if not isinstance(body, dict):
        raise ApiError(400, "JSON_PARSER_ERROR", "The body is no object")
    return body


def _batch_size(request: Request) -> int:
    found = BATCH_SIZE.search(request.headers.get("sforce-query-options", ""))
    # What is beyond the bounds is taken as the bound.
    return min(LARGEST, max(SMALLEST, int(found[1]))) if found else LARGEST
