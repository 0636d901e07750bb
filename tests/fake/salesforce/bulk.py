"""Query jobs of the Bulk API 2.0: asked for, waited for, and fetched as CSV."""

from __future__ import annotations

import base64
import binascii
import gzip
from dataclasses import dataclass
from typing import Any

from ..core.http import Request, Response
from . import ids, moments
from .errors import ApiError, malformed, not_found
from .org import Org
from .query import Listing, run
from .view import View

DELIMITERS = {"COMMA": ",", "TAB": "\t", "SEMICOLON": ";", "PIPE": "|", "CARET": "^", "BACKQUOTE": "`"}
ENDINGS = {"LF": "\n", "CRLF": "\r\n"}
MEMBERS = {"operation", "query", "contentType", "lineEnding", "columnDelimiter"}
OVER = ("JobComplete", "Failed", "Aborted")
PAGES = 5
"""So many results' addresses at a time."""
COMPRESSED = 1024
"""From so many bytes on, for those who take gzip."""


@dataclass(slots=True)
class Job:
    """begun: epoch seconds. ended: the state that a job was brought to before its time."""

    id: str
    body: dict[str, Any]
    listing: Listing
    begun: float
    ended: str | None = None


class Bulk:
    """seconds: how long a job takes, by the fake clock. page: records in an answer that says no number.

    fails: what the jobs to come fail with, None for none.
    """

    def __init__(self, org: Org) -> None:
        self._org = org
        self._jobs: dict[str, Job] = {}
        self.seconds = 0.5
        self.page = 50_000
        self.fails: str | None = None

    def create(self, view: View, body: dict[str, Any]) -> dict[str, Any]:
        """The job sees the records of this moment, however late it is fetched."""
        unknown = set(body) - MEMBERS
        if unknown:
            raise ApiError(400, "JSON_PARSER_ERROR", f"Unrecognized field {', '.join(sorted(unknown))}")
        asked = {"contentType": "CSV", "lineEnding": "LF", "columnDelimiter": "COMMA", **body}
        for name, known in (
            ("operation", ("query", "queryAll")),
            ("contentType", ("CSV",)),
            ("lineEnding", ENDINGS),
            ("columnDelimiter", DELIMITERS),
        ):
            if asked.get(name) not in known:
                raise ApiError(400, "INVALIDJOB", f"{name} is one of {', '.join(known)}")
        listing = run(view, str(asked.get("query", "")), asked["operation"] == "queryAll")
        if isinstance(listing, dict):
            raise malformed("Aggregate queries are not supported in the Bulk API")
        sobject = listing.selection.sobject
        if not sobject.bulk:
            message = f"Entity '{sobject.name}' is not supported by the Bulk API."
            raise ApiError(400, "INVALIDENTITY", message)
        listing.selection.check_flat()
        job = Job(ids.make("750", len(self._jobs) + 1), asked, listing, self._org.clock.now())
        job.ended = "Failed" if self.fails else None
        self._jobs[job.id] = job
        return self._shown(job, view)

    def show(self, view: View, id: str) -> dict[str, Any]:
        job = self._job(view, id)
        shown = self._shown(job, view)
        if shown["state"] in OVER:
            shown["numberRecordsProcessed"] = len(job.listing.rows) if shown["state"] == "JobComplete" else 0
            shown |= {"retries": 0, "totalProcessingTime": int(self.seconds * 1000)}
            shown["isPkChunkingSupported"] = job.listing.selection.sobject.writable
        if shown["state"] == "Failed":
            shown["errorMessage"] = self.fails or "InternalServerError: the job has failed"
        return shown

    def list(self, view: View) -> dict[str, Any]:
        own = [each for each in self._jobs.values() if each.listing.selection.view.user == view.user]
        records = [self._shown(each, view) for each in reversed(own)]
        return {"done": True, "records": records, "nextRecordsUrl": None}

    def abort(self, view: View, id: str, body: dict[str, Any]) -> dict[str, Any]:
        job = self._job(view, id)
        if body.get("state") != "Aborted":
            raise ApiError(400, "INVALIDJOBSTATE", "A query job can only be Aborted")
        if self._state(job) in OVER:
            raise ApiError(400, "INVALIDJOBSTATE", f"The job is {self._state(job)} already")
        job.ended = "Aborted"
        return self._shown(job, view)

    def delete(self, view: View, id: str) -> None:
        job = self._job(view, id)
        if self._state(job) not in OVER:
            raise ApiError(400, "INVALIDJOBSTATE", f"The job is {self._state(job)}: abort it first")
        del self._jobs[job.id]

    def results(self, view: View, id: str, request: Request) -> Response:
        job, query = self._complete(view, id), request.query_dict()
        begin = self._begin(job, query.get("locator"))
        size = self.page
        if "maxRecords" in query:
            if not query["maxRecords"].isdigit() or int(query["maxRecords"]) == 0:
                raise ApiError(400, "API_ERROR", f"maxRecords is no number: {query['maxRecords']}")
            size = int(query["maxRecords"])
        rows = job.listing.rows[begin : begin + size]
        following = begin + len(rows)
        headers = {
            "Sforce-NumberOfRecords": str(len(rows)),
            "Sforce-Locator": "null" if following >= len(job.listing.rows) else _locator(following),
        }
        delimiter = DELIMITERS[job.body["columnDelimiter"]]
        body = job.listing.selection.csv(rows, delimiter, ENDINGS[job.body["lineEnding"]]).encode()
        if "gzip" in request.headers.get("accept-encoding", "") and len(body) >= COMPRESSED:
            body, headers["Content-Encoding"] = gzip.compress(body, 1), "gzip"
        return Response(200, body, headers, "text/csv")

    def result_pages(self, view: View, id: str, request: Request) -> dict[str, Any]:
        """Where the parts of the results are, for those who fetch several at once."""
        job = self._complete(view, id)
        first = self._begin(job, request.query_dict().get("locator"))
        address = f"{view.root}/jobs/query/{job.id}"
        begins = list(range(first, max(1, len(job.listing.rows)), self.page))
        links = [{"resultLink": f"{address}/results?locator={_locator(each)}"} for each in begins[:PAGES]]
        done = len(begins) <= PAGES
        more = None if done else f"{address}/resultPages?locator={_locator(begins[PAGES])}"
        return {"resultPages": links, "nextRecordsUrl": more, "done": done}

    # -- jobs ---------------------------------------------------------------------------------------------

    def _job(self, view: View, id: str) -> Job:
        job = self._jobs.get(ids.parse(id) or "")
        if job is None or job.listing.selection.view.user != view.user:
            raise not_found()
        return job

    def _complete(self, view: View, id: str) -> Job:
        job = self._job(view, id)
        if self._state(job) != "JobComplete":
            raise ApiError(400, "INVALIDJOBSTATE", f"The job is {self._state(job)}: there are no results")
        return job

    def _state(self, job: Job) -> str:
        if job.ended is not None:
            return job.ended
        passed = self._org.clock.now() - job.begun
        if passed >= self.seconds:
            return "JobComplete"
        return "InProgress" if passed > self.seconds / 4 else "UploadComplete"

    def _shown(self, job: Job, view: View) -> dict[str, Any]:
        moment = moments.shown(job.begun)
        return {
            "id": job.id,
            "operation": job.body["operation"],
            "object": job.listing.selection.sobject.name,
            "createdById": self._org.user,
            "createdDate": moment,
            "systemModstamp": moment,
            "state": self._state(job),
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": float(view.version),
            "jobType": "V2Query",
            "lineEnding": job.body["lineEnding"],
            "columnDelimiter": job.body["columnDelimiter"],
        }

    def _begin(self, job: Job, locator: str | None) -> int:
        if locator is None:
            return 0
        try:
            found = int(base64.urlsafe_b64decode(locator + "=" * (-len(locator) % 4)))
        except (ValueError, binascii.Error):
            found = -1
        if not 0 <= found <= len(job.listing.rows):
            raise ApiError(400, "INVALIDREQUESTPARAMETER", f"Invalid locator: {locator}")
        return found


def _locator(begin: int) -> str:
    return base64.urlsafe_b64encode(str(begin).encode()).decode().rstrip("=")
