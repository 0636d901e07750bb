"""GitHub as others know it: an imitation, and what it once answered itself."""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

from .independent import Server, ask_json, node
from .relay import Answer, Ask

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


class Emulate(Server):
    """emulate (npm): an imitation of GitHub with objects, pages and filters of its own.

    Not corrected, because it must not matter: times have milliseconds, `since` passes over what was changed
    in the second that it names, issues are listed without pull requests, no answer has an ETag, and any token
    is good. It has no lists of comments: what is asked for is the issue or pull request "comments".
    """

    provider = declared = "github"
    api_key = "ghp_independent"
    passed = ("host", "x-github-api-version", "if-none-match")
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
        super().__init__([node(), "-e", EMULATE])

    def ask(self, method: str, path: str, /, **data: Any) -> Any:
        return ask_json(self.direct, method, path, data or None, Authorization=f"Bearer {self.api_key}")

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
            for each in self._pages(path):
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
        beneath = re.fullmatch(r"(/repositories/\d+)(/.+)", ask.path)
        if beneath:
            repository = await self.forward(replace(ask, path=beneath[1], query=(), method="GET", body=b""))
            if repository.status != 200:
                return repository
            ask = replace(ask, path=f"/repos/{repository.json()['full_name']}{beneath[2]}")
        return await self.forward(ask)
