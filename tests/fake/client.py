"""A plain client for the fake's own tests: no retries, no opinions, the raw answer."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

KEY = "sk_test_fake"
TOKEN = "ghp_fake"
HUBSPOT_TOKEN = "pat-fake"
SESSION = "00Dfake"
SHOPIFY_TOKEN = "shpat_fake"
SHOPIFY_VERSION = "2026-10"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, str]:
        """Stripe's error object."""
        return self.json["error"]


class Requests:
    """Requests to one fake, each on a connection of its own, and its control."""

    def __init__(self, url: str, key: str | None) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "", parts.port or 80
        self.key = key

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        authorization = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        try:
            connection.request(method, path, body, {**authorization, **(headers or {})})
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def control(self, method: str, route: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        answer = self.request(method, f"/_control/{route}", data)
        assert answer.status == 200, answer.body
        return answer.json


class Client(Requests):
    """Stripe's."""

    def __init__(self, url: str, key: str | None = KEY) -> None:
        super().__init__(url, key)

    def get(self, path: str, headers: dict[str, str] | None = None, **query: Any) -> Answer:
        """`path` below /stripe/v1/; keys of `query` as they are, `created_gte` being `created[gte]`."""
        named = {_parameter(name): value for name, value in query.items()}
        return self.request("GET", f"/stripe/v1/{path}{_query(named)}", None, headers)

    def post(self, path: str, form: dict[str, Any], headers: dict[str, str] | None = None) -> Answer:
        body = urlencode(form, doseq=True).encode()
        typed = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        return self.request("POST", f"/stripe/v1/{path}", body, typed)

    def delete(self, path: str) -> Answer:
        return self.request("DELETE", f"/stripe/v1/{path}")

    def all(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Every object of a list, page by page."""
        query.setdefault("limit", 100)
        while True:
            answer = self.get(path, **query)
            assert answer.status == 200, answer.body
            yield from answer.json["data"]
            if not answer.json["has_more"]:
                return
            query["starting_after"] = answer.json["data"][-1]["id"]


class GitHubClient(Requests):
    """GitHub's. A path is below /github/ unless it begins with a slash; links are followed as they are."""

    def __init__(self, url: str, key: str | None = TOKEN) -> None:
        super().__init__(url, key)

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        address = path if path.startswith("/") else f"/github/{path}"
        # A header that is None is left out.
        named = {"User-Agent": "fake-tests", **(headers or {})}
        given = {name: value for name, value in named.items() if value is not None}
        return self.request(method, address + _query(query), data, given)

    def get(self, path: str, headers: dict[str, str] | None = None, **query: Any) -> Answer:
        return self.send("GET", path, None, headers, **query)

    def pages(self, path: str, headers: dict[str, str] | None = None, **query: Any) -> Iterator[Answer]:
        """Every page of a list, by what its links say; from a link on when `path` is one."""
        if "?" not in path:
            query.setdefault("per_page", 100)
        answer = self.get(path, headers, **query)
        while True:
            assert answer.status == 200, answer.body
            yield answer
            following = links(answer).get("next")
            if following is None:
                return
            answer = self.get(following, headers)

    def all(self, path: str, headers: dict[str, str] | None = None, **query: Any) -> list[dict[str, Any]]:
        """Every object of a list that is not wrapped."""
        return [each for page in self.pages(path, headers, **query) for each in page.json]


class HubSpotClient(Requests):
    """HubSpot's. A path is below /hubspot/crm/v3/ unless it begins with a slash."""

    def __init__(self, url: str, key: str | None = HUBSPOT_TOKEN) -> None:
        super().__init__(url, key)

    def send(self, method: str, path: str, body: Any = None, **query: Any) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        address = path if path.startswith("/") else f"/hubspot/crm/v3/{path}"
        return self.request(method, address + _query(query), data, {"Content-Type": "application/json"})

    def get(self, path: str, **query: Any) -> Answer:
        return self.send("GET", path, **query)

    def post(self, path: str, body: Any) -> Answer:
        return self.send("POST", path, body)

    def pages(self, path: str, **query: Any) -> Iterator[list[dict[str, Any]]]:
        """Every page of a list."""
        while True:
            answer = self.get(path, **query)
            assert answer.status == 200, answer.body
            yield answer.json["results"]
            if "paging" not in answer.json:
                return
            query["after"] = answer.json["paging"]["next"]["after"]

    def all(self, path: str, **query: Any) -> list[dict[str, Any]]:
        query.setdefault("limit", 100)
        return [each for page in self.pages(path, **query) for each in page]

    def search(self, type: str, **given: Any) -> Iterator[dict[str, Any]]:
        """Every page of a search, as it is."""
        while True:
            answer = self.post(f"objects/{type}/search", given)
            assert answer.status == 200, answer.body
            yield answer.json
            if "paging" not in answer.json:
                return
            given["after"] = answer.json["paging"]["next"]["after"]

    def found(self, type: str, **given: Any) -> list[dict[str, Any]]:
        given.setdefault("limit", 200)
        return [each for page in self.search(type, **given) for each in page["results"]]


class SalesforceClient(Requests):
    """Salesforce's. A path is below the newest version unless it begins with a slash."""

    def __init__(self, url: str, key: str | None = SESSION) -> None:
        super().__init__(url, key)

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        address = path if path.startswith("/") else f"/salesforce/services/data/v68.0/{path}"
        return self.request(method, address + _query(query), data, headers)

    def get(self, path: str, headers: dict[str, str] | None = None, **query: Any) -> Answer:
        return self.send("GET", path, None, headers, **query)

    def query(self, soql: str, headers: dict[str, str] | None = None, every: bool = False) -> Answer:
        return self.get("queryAll" if every else "query", headers, q=soql)

    def batches(
        self, soql: str, headers: dict[str, str] | None = None, every: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Every batch of a query, by what each says of the next one."""
        answer = self.query(soql, headers, every)
        while True:
            assert answer.status == 200, answer.body
            yield answer.json
            if answer.json["done"]:
                return
            answer = self.get(answer.json["nextRecordsUrl"], headers)

    def all(
        self, soql: str, headers: dict[str, str] | None = None, every: bool = False
    ) -> list[dict[str, Any]]:
        return [record for batch in self.batches(soql, headers, every) for record in batch["records"]]

    def token(self, headers: dict[str, str] | None = None, **form: str) -> Answer:
        typed = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        return self.request("POST", "/salesforce/services/oauth2/token", urlencode(form).encode(), typed)


class ShopifyClient(Requests):
    """Shopify's. Its token is in a header of its own."""

    def __init__(self, url: str, token: str | None = SHOPIFY_TOKEN, version: str = SHOPIFY_VERSION) -> None:
        super().__init__(url, None)
        self.token = token
        self.version = version

    def ask(self, query: str, /, headers: dict[str, str] | None = None, **variables: Any) -> Answer:
        body = json.dumps({"query": query, "variables": variables}).encode()
        given = {"Content-Type": "application/json", **(headers or {})}
        if self.token is not None:
            given["X-Shopify-Access-Token"] = self.token
        return self.request("POST", f"/shopify/admin/api/{self.version}/graphql.json", body, given)

    def data(self, query: str, /, **variables: Any) -> dict[str, Any]:
        """The answer to a query that there is nothing wrong with."""
        answer = self.ask(query, **variables)
        assert answer.status == 200, answer.body
        assert "errors" not in answer.json, answer.body[:3000]
        return answer.json["data"]

    def errors(self, query: str, /, **variables: Any) -> list[dict[str, Any]]:
        answer = self.ask(query, **variables)
        assert answer.status == 200, answer.body
        return answer.json["errors"]

    def all(
        self, field: str, selection: str = "id", size: int = 50, **arguments: str
    ) -> list[dict[str, Any]]:
        """Every object of a list at the root, page by page; arguments as GraphQL has them."""
        more = "".join(f", {name}: {value}" for name, value in arguments.items())
        query = (
            f"query($first: Int!, $after: String) {{ {field}(first: $first, after: $after{more})"
            f" {{ nodes {{ {selection} }} pageInfo {{ hasNextPage endCursor }} }} }}"
        )
        found: list[dict[str, Any]] = []
        after = None
        while True:
            page = self.data(query, first=size, after=after)[field]
            found += page["nodes"]
            if not page["pageInfo"]["hasNextPage"]:
                return found
            after = page["pageInfo"]["endCursor"]


def links(answer: Answer) -> dict[str, str]:
    """Of the header Link: relation → path and query."""
    found = re.findall(r'<([^>]*)>; rel="(\w+)"', answer.headers.get("link", ""))
    return {name: urlsplit(url)._replace(scheme="", netloc="").geturl() for url, name in found}


def _parameter(name: str) -> str:
    base, _, bound = name.rpartition("_")
    return f"{base}[{bound}]" if bound in ("gt", "gte", "lt", "lte") else name


def _query(named: dict[str, Any]) -> str:
    return "?" + urlencode(named, doseq=True) if named else ""
