"""GitHub as others know it: an imitation, what it once answered itself, and what its document allows."""

import json
import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from .fake import Upstream
from .independent import TESTS, Server, ask_json, node
from .relay import Answer, Ask, answer

# Its own command takes no free port. What can't be made by its API is there from the start.
EMULATE = """
const users = ["ada", "bob"].map((login) => ({ login }));
const orgs = [{ login: "acme", members: users }];
const seed = { github: { users, orgs } };
import("emulate")
    .then(({ createEmulator }) => createEmulator({ service: "github", port: 0, seed }))
    .then((server) => console.log(new URL(server.url).port));
"""
ORGANIZATION = "acme"

# Its own command listens on all interfaces.
RECORDED = """
const { createRequire } = require("node:module");
const express = createRequire(require.resolve("@octokit/fixtures-server"))("express");
import("@octokit/fixtures-server").then(({ default: recorded }) => {
    const application = express();
    const listening = application.listen(0, "127.0.0.1", () => {
        const fixturesUrl = `http://127.0.0.1:${listening.address().port}`;
        application.use(recorded({ fixturesUrl, logLevel: "silent", ttl: 600000 }));
        console.log(listening.address().port);
    });
});
"""

# Its own command takes no free port, and writes down all that it does.
GATE = """
const { createLogger } = require("@stoplight/prism-core");
const { getHttpOperationsFromSpec } = require("@stoplight/prism-http");
const { createServer } = require("@stoplight/prism-http-server");
const [document, upstream] = process.argv.slice(1);
getHttpOperationsFromSpec(document).then(async (operations) => {
    const checks = { validateRequest: true, validateResponse: true, checkSecurity: true, errors: true };
    const config = { ...checks, mock: { dynamic: false }, isProxy: true, upstream: new URL(upstream) };
    const components = { logger: createLogger("gate", { level: "silent" }) };
    const server = createServer(operations, { config, components });
    console.log(new URL(await server.listen(0, "127.0.0.1")).port);
});
"""

# What is in a repository, by the address that has its id.
BENEATH = re.compile(r"/repositories/(\d+)(/.+)")


def steady(value: Any) -> Any:
    """The same, with a milestone's time of change that is not the time at which it is asked for."""
    match value:
        case dict():
            found = {key: steady(each) for key, each in value.items()}
            return found | {"updated_at": found["created_at"]} if "closed_issues" in found else found
        case list():
            return [steady(each) for each in value]
    return value


class Emulate(Server):
    """emulate (npm): an imitation of GitHub with objects, pages and filters of its own.

    Not corrected, because it must not matter: times have milliseconds, `since` passes over what was changed
    in the second that it names, issues are listed without pull requests, no answer has an ETag, and any token
    is good. It has no lists of comments: what is asked for is the issue or pull request "comments".
    Corrected, because every look would find another one: when a milestone was changed.
    """

    provider = declared = "github"
    api_key = "ghp_independent"
    passed = ("host", "content-type", "x-github-api-version", "if-none-match")
    returned = ("link", "x-ratelimit-remaining", "x-ratelimit-reset")
    lists = {  # noqa: RUF012
        "branch": "branches",
        "collaborator": "collaborators",
        "commit": "commits",
        "issue": "issues?state=all",
        "label": "labels",
        "milestone": "milestones?state=all",
        "pull_request": "pulls?state=all",
        "release": "releases",
        "tag": "tags",
    }
    _IDS = {"branch": "name", "commit": "sha", "tag": "name"}  # noqa: RUF012
    # Their ids are unique within their repository or organization only.
    _SCOPED = ("branch", "collaborator", "commit", "member", "tag")
    # Of the organization, and not of a repository.
    _OF_ORGANIZATION = {"member": "members", "team": "teams"}  # noqa: RUF012

    def __init__(self) -> None:
        self.repositories: list[str] = []
        self._asked = count()
        super().__init__([node(), "-e", EMULATE])

    def ask(self, method: str, path: str, /, **data: Any) -> Any:
        # Any token is good, and each has 5,000 requests: those of the test are not to be counted.
        token = f"Bearer ghp_test_{next(self._asked)}"
        return ask_json(self.direct, method, path, data or None, Authorization=token)

    def patch(self, path: str, /, **data: Any) -> Any:
        return self.ask("PATCH", path, **data)

    def repository(self, name: str) -> str:
        """Makes one with a commit on its branch "main"; returns its path."""
        made = self.post("/user/repos", name=name, auto_init=True)
        self.repositories.append(made["full_name"])
        return f"/repos/{made['full_name']}"

    def objects(self, collection: str) -> dict[str, dict[str, Any]]:
        """The truth: what it lists itself, by pages that are counted here and not by its links."""
        if collection == "repository":
            found = [self.get(f"/repos/{each}") for each in self.repositories]
            return {str(each["id"]): each for each in found}
        if collection == "organization":
            found = self.get(f"/orgs/{ORGANIZATION}")
            return {str(found["id"]): found}
        listed: dict[str, dict[str, Any]] = {}
        for parent, path in self._lists(collection):
            for each in steady(list(self._pages(path))):
                own = str(each[self._IDS.get(collection, "id")])
                listed[f"{parent}/{own}" if collection in self._SCOPED else own] = each
        return listed

    def _lists(self, collection: str) -> Iterator[tuple[int, str]]:
        """The ids of what a collection is listed beneath, and the paths of its lists."""
        if collection in self._OF_ORGANIZATION:
            path = f"/orgs/{ORGANIZATION}"
            yield self.get(path)["id"], f"{path}/{self._OF_ORGANIZATION[collection]}"
            return
        for name in self.repositories:
            repository = self.get(f"/repos/{name}")["id"]
            if collection == "pull_request_review":
                for pull in self._pages(f"/repos/{name}/pulls?state=all"):
                    yield repository, f"/repos/{name}/pulls/{pull['number']}/reviews"
            else:
                yield repository, f"/repos/{name}/{self.lists[collection]}"

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        for page in count(1):
            found = self.get(f"{path}{'&' if '?' in path else '?'}per_page=100&page={page}")
            yield from found
            if len(found) < 100:
                return

    async def relay(self, ask: Ask) -> Answer:
        # GitHub has two addresses for all that is in a repository: by its name, and by its id, to which its
        # own links lead. This has the second one for the repository alone.
        if beneath := BENEATH.fullmatch(ask.path):
            known = replace(ask, path=f"/repositories/{beneath[1]}", query=(), method="GET", body=b"")
            repository = await self.forward(known)
            if repository.status != 200:
                return repository
            ask = replace(ask, path=f"/repos/{repository.json()['full_name']}{beneath[2]}")
        found = await self.forward(ask)
        return (
            replace(found, body=json.dumps(steady(json.loads(found.body))).encode()) if found.body else found
        )


class Recorded(Server):
    """@octokit/fixtures-server (npm): what GitHub answered once, one request after another.

    A recording is played from its beginning for whoever asks first what it begins with. What differs from the
    connector's requests is what a client says of itself, and the parameters at first; where a list goes on
    and where something has moved to is asked as it was recorded. `x-ratelimit-reset` is in milliseconds.
    """

    provider = declared = "github"
    api_key = "ghp_independent"
    returned = ("link", "location", "etag", "x-ratelimit-remaining", "x-ratelimit-reset")
    OWNER = "octokit-fixture-org"
    REPOSITORY = 1000
    """The id of every repository that was recorded."""
    _HEADERS = (
        ("accept", "application/vnd.github.v3+json"),
        ("authorization", "token 0000000000000000000000000000000000000001"),
    )

    def __init__(self, scenario: str) -> None:
        """scenario: one of those in @octokit/fixtures; the repository in it has the same name."""
        self.scenario = scenario
        self.repository = f"{self.OWNER}/{scenario}"
        file = TESTS / "node_modules/@octokit/fixtures/scenarios/api.github.com" / scenario
        self.recording = json.loads((file / "normalized-fixture.json").read_text())
        self._playing: list[str] = []
        super().__init__([node(), "-e", RECORDED])

    def recorded(self, method: str = "get", status: int = 200) -> list[Any]:
        """The bodies of such answers, in their order."""
        return [
            each["response"]
            for each in self.recording
            if (each["method"], each["status"]) == (method, status)
        ]

    def objects(self, collection: str) -> dict[str, dict[str, Any]]:
        """The truth: what was recorded."""
        answers = self.recorded()
        listed = answers if collection == "repository" else [each for page in answers for each in page]
        return {str(each["id"]): each for each in listed}

    async def relay(self, ask: Ask) -> Answer:
        beneath = f"/repositories/{self.REPOSITORY}/"
        if ask.get("since") is not None:
            return Answer(200, b"[]")  # nothing has happened since
        if ask.path == f"/repos/{self.repository}" and self.recording[0]["path"].startswith(f"{ask.path}/"):
            # The recording begins with a list, and says of the repository only what its links say.
            return answer(200, {"id": self.REPOSITORY, "full_name": self.repository})
        if ask.path.startswith(beneath) and ask.get("page") is None:
            path, _, query = self.recording[0]["path"].partition("?")
            ask = replace(ask, path=path, query=tuple(urllib.parse.parse_qsl(query)))
        if ask.path in {each["path"] for each in self.recording}:
            ask = replace(ask, query=())
        for playing in self._playing:
            reply = await self._play(playing, ask)
            if reply.status != 404:
                return reply
        self._playing.append(await self._begin())
        return await self._play(self._playing[-1], ask)

    async def _begin(self) -> str:
        """Where a recording is played; what it was that changed something is done."""
        body = json.dumps({"scenario": self.scenario}).encode()
        given = (("content-type", "application/json"),)
        begun = await self.forward(Ask("/fixtures", headers=given, method="POST", body=body))
        playing = urllib.parse.urlsplit(begun.json()["url"]).path
        first = self.recording[0]
        if first["method"] != "get":
            typed = (("content-type", "application/json; charset=utf-8"),)
            body = json.dumps(first["body"], separators=(",", ":")).encode()
            done = Ask(first["path"], headers=typed, method=first["method"].upper(), body=body)
            assert (await self._play(playing, done)).status == first["status"]
        return playing

    async def _play(self, playing: str, ask: Ask) -> Answer:
        others = tuple(pair for pair in ask.headers if pair[0] not in dict(self._HEADERS))
        reply = await self.forward(replace(ask, path=playing + ask.path, headers=(*others, *self._HEADERS)))
        # The server has put itself into every address. They are again what they were in what is stored, and
        # the proxy's where they are to be asked.
        number = playing.rpartition("/")[2]
        body = re.sub(rf"{self.direct}/([^/]+)/{number}/".encode(), rb"https://\1/", reply.body)
        here = f"{self.direct}{playing}"
        headers = [(name, value.replace(here, self.url)) for name, value in reply.headers]
        return replace(reply, body=body, headers=tuple(headers))


class Gate(Server):
    """Prism (npm) before the fake: it refuses a request, and an answer, that GitHub's document does not have.

    `objections` is what it has said. It is not shown that an answer is known already: the document does not
    say of most lists that they may answer so.
    """

    provider = declared = "github"
    passed = ("x-github-api-version",)
    returned = ("link", "x-ratelimit-remaining", "x-ratelimit-reset")

    def __init__(self, upstream: Upstream, document: Path) -> None:
        """document: the file of it; it has the paths with names, as all that are documented."""
        self.upstream, self.api_key = upstream, upstream.api_key
        self.objections: list[str] = []
        self._names = {id: each["full_name"] for id, each in upstream.objects("repository").items()}
        super().__init__([node(), "-e", GATE, str(document), upstream.url])

    def objects(self, collection: str) -> dict[str, dict[str, Any]]:
        return self.upstream.objects(collection)

    async def relay(self, ask: Ask) -> Answer:
        if beneath := BENEATH.fullmatch(ask.path):
            ask = replace(ask, path=f"/repos/{self._names[beneath[1]]}{beneath[2]}")
        reply = await self.forward(ask)
        if b"stoplight.io/prism/errors" in reply.body:
            self.objections.append(f"{ask.method} {ask.path} {ask.query}: {reply.body.decode()[:2000]}")
        # Links lead to the fake itself.
        headers = [(name, value.replace(self.upstream.url, self.url)) for name, value in reply.headers]
        return replace(reply, headers=tuple(headers))
