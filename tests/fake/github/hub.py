"""All accounts, repositories and what is in them, and what a change of one does to the others."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from ..core.clock import Clock
from ..core.data import Refused
from ..core.store import Item, Store, dump
from .catalog import BY_NAME, COLLECTIONS, Collection
from .objects import maker_of
from .objects.issues import SHARED, as_pull_request
from .objects.maker import Maker
from .times import iso

FIRST_ID = 2_400_000_000
"""Beyond 32 bits before long, as at GitHub."""
CHILDREN: dict[str, list[Collection]] = {}
for _each in COLLECTIONS:
    if _each.parent:
        CHILDREN.setdefault(_each.parent, []).append(_each)


class Hub:
    """GitHub's data. The times of changes are passed in, where null means that nobody notes the change."""

    def __init__(self, clock: Clock, seed: int) -> None:
        self.clock = clock
        self.rng = random.Random(f"{seed}:github")
        self.stores = {each.name: Store() for each in COLLECTIONS}
        self.touched: dict[str, dict[str, str]] = {each.name: {} for each in COLLECTIONS}
        """Of each object, when it was last updated: what `since` and `sort=updated` go by."""
        self.changes: Counter[str] = Counter()
        """How often each collection has changed: what was sorted before is good as long as it has not."""
        self.renamed: dict[str, str] = {}
        """Names that repositories once had → id."""
        self.transferred: dict[tuple[str, int], tuple[str, int]] = {}
        """(repository, number) of an issue → where it is now."""
        self._names: dict[str, str] = {}
        self._logins: dict[str, tuple[str, str]] = {}
        self._numbers: Counter[tuple[str, int]] = Counter()
        self._last_id = FIRST_ID
        self.owner = self.create("user", {"login": "fake-owner"}, created=int(clock.now())).document()
        """Whom every token belongs to."""

    # -- looking ------------------------------------------------------------------------------------------

    def get(self, collection: str, id: str) -> Item | None:
        return self.stores[collection].by_id.get(id)

    def existing(self, collection: str, id: str) -> Item:
        item = self.get(collection, id)
        if item is None:
            raise Refused(f"there is no {collection} {id!r}")
        return item

    def repository(self, name: str) -> Item | None:
        """By its id or as owner/name, in whatever case; not by a name that it once had."""
        return self.get("repository", self._names.get(name.lower(), name))

    def account(self, login: str) -> tuple[str, Item] | None:
        """A user or an organization by login or id, and which of them it is."""
        collection, id = self._logins.get(login.lower(), (None, login))
        for each in (collection,) if collection else ("organization", "user"):
            item = self.get(each, id)
            if item:
                return each, item
        return None

    def user(self, login: str) -> dict[str, Any]:
        found = self.account(login)
        if found is None or found[0] != "user":
            raise Refused(f"there is no user {login!r}")
        return found[1].document()

    def find(self, collection: str, parent: str, member: str, value: Any) -> Item | None:
        """What is below a parent and has this value: an issue by number, a label by name."""
        if isinstance(value, str):
            value = value.lower()

        def key_of(item: Item) -> tuple[str | None, Any]:
            own = item.document().get(member)
            return item.parent, own.lower() if isinstance(own, str) else own

        found = self.stores[collection].where(member, (parent, value), key_of)
        return found[0] if found else None

    def numbered(
        self, collection: str, repository: int, number: int | None, rng: random.Random
    ) -> dict[str, Any]:
        """The issue or pull request of this number, some other one when there is none to find it by."""
        if number is not None:
            found = self.find(collection, str(repository), "number", number)
            if found is None:
                raise Refused(f"the repository has no {collection} {number}")
            return found.document()
        items = self.stores[collection].children(str(repository))
        if not items:
            raise Refused(f"the repository has no {collection}")
        return items[int(rng.random() * len(items))].document()

    def next_number(self, collection: str, repository: int) -> int:
        self._numbers[collection, repository] += 1
        return self._numbers[collection, repository]

    def was_deleted(self, repository: str, number: int) -> bool:
        """Whether the repository once had an issue of this number, and not under another one now."""
        gone = self.stores["issue"].deleted.values()
        return any(each.parent == repository and each.document()["number"] == number for each in gone)

    # -- making -------------------------------------------------------------------------------------------

    def create(
        self,
        name: str,
        data: dict[str, Any],
        *,
        parent: str | None = None,
        created: int,
        rng: random.Random | None = None,
    ) -> Item:
        """A new object, created and updated at `created`; what `data` does not say is made up."""
        collection, rng, data = BY_NAME[name], rng or self.rng, dict(data)
        above = self.parent_of(collection, parent, rng)
        if above is not None and name in ("issue", "pull_request"):
            self._resolve(above, data)
        if name == "pull_request":
            assert above is not None
            return self._create_pull_request(above, data, created, rng)
        document = self._made(name, data, above, created, rng)
        item = self._insert(collection, document, above, created)
        self._created(name, document, above)
        return item

    def make_user(self) -> dict[str, Any]:
        return self.create("user", {}, created=int(self.clock.now())).document()

    def parent_of(
        self, collection: Collection, parent: str | None, rng: random.Random
    ) -> dict[str, Any] | None:
        """The document above a new object: the named one, or any. Raises Refused when there is none."""
        if collection.parent is None:
            if parent is not None:
                raise Refused(f"a {collection.name} has no parent")
            return None
        if parent is not None:
            if collection.name == "repository":
                found = self.account(parent)
                item = found[1] if found else None
            elif collection.parent == "organization":
                found = self.account(parent)
                item = found[1] if found and found[0] == "organization" else None
            elif collection.parent == "repository":
                item = self.repository(parent)
            else:
                item = self.get(collection.parent, parent)
            if item is None:
                raise Refused(f"there is no {collection.parent} {parent!r}")
            return item.document()
        items = self.stores[collection.parent].items
        if not items and collection.name == "repository":
            return self.owner
        if not items:
            raise Refused(f"a {collection.name} needs a {collection.parent}, and there is none")
        return items[int(rng.random() * len(items))].document()

    def _made(
        self,
        name: str,
        data: dict[str, Any],
        above: dict[str, Any] | None,
        created: int,
        rng: random.Random,
    ) -> dict[str, Any]:
        self._last_id += 1 + int(rng.random() * 40)
        id = int(data.get("id") or self._last_id)
        document = maker_of(name)(Maker(self, rng, id, created, above or {}, data))
        document.update(
            {member: value for member, value in data.items() if member not in ("issue_number", "pull_number")}
        )
        return document

    def _create_pull_request(
        self, above: dict[str, Any], data: dict[str, Any], created: int, rng: random.Random
    ) -> Item:
        """A pull request is an issue too, of the same number and another id."""
        shared = {member: data[member] for member in SHARED if member in data}
        issue = self._made("issue", shared, above, created, rng)
        number = issue["number"]
        maker = Maker(self, rng, issue["id"], created, above, {})
        issue["html_url"] = issue["html_url"].replace("/issues/", "/pull/")
        issue["state_reason"] = None
        issue |= {"pull_request": as_pull_request(maker, number), "draft": False}
        own = {**data, "number": number, "state": issue["state"]}
        pull = self._made("pull_request", own, above, created, rng)
        for member in SHARED:
            pull[member] = issue[member]
        issue["pull_request"]["merged_at"], issue["draft"] = pull["merged_at"], pull["draft"]
        self._insert(BY_NAME["issue"], issue, above, created)
        item = self._insert(BY_NAME["pull_request"], pull, above, created)
        self._created("issue", issue, above)
        return item

    def _insert(
        self, collection: Collection, document: dict[str, Any], above: dict[str, Any] | None, created: int
    ) -> Item:
        parent = None if above is None else str(above["id"])
        own = document["user"]["id"] if collection.name == "stargazer" else document[collection.key]
        id = f"{parent}/{own}" if collection.scoped else str(own)
        try:
            item = self.stores[collection.name].insert(id, created, dump(document), parent)
        except KeyError as error:
            raise Refused(str(error.args[0])) from None
        self._touch(collection.name, item, document)
        if collection.name == "repository":
            self._name(document)
        elif collection.name in ("user", "organization"):
            self._logins[document["login"].lower()] = (collection.name, item.id)
        return item

    def _name(self, repository: dict[str, Any]) -> None:
        name = repository["full_name"].lower()
        if name in self._names:
            self.stores["repository"].remove(str(repository["id"]))
            raise Refused(f"there is a repository {name} already")
        self._names[name] = str(repository["id"])
        # Who takes a name that another one once had takes its redirect too.
        self.renamed.pop(name, None)

    def _resolve(self, above: dict[str, Any], data: dict[str, Any]) -> None:
        """Names, logins and numbers into the objects that issues show."""
        parent = str(above["id"])
        if isinstance(data.get("user"), str):
            data["user"] = self.user(data["user"])
        if "labels" in data:
            data["labels"] = [self._label(parent, each) for each in data["labels"]]
        if "assignees" in data:
            data["assignees"] = [
                self.user(each) if isinstance(each, str) else each for each in data["assignees"]
            ]
            data["assignee"] = data["assignees"][0] if data["assignees"] else None
        if isinstance(data.get("milestone"), int):
            found = self.find("milestone", parent, "number", data["milestone"])
            if found is None:
                raise Refused(f"the repository has no milestone {data['milestone']}")
            data["milestone"] = found.document()

    def _label(self, parent: str, label: Any) -> dict[str, Any]:
        if isinstance(label, dict):
            return label
        found = self.find("label", parent, "name", label)
        # Whoever may write makes a label by using it.
        item = found or self.create("label", {"name": label}, parent=parent, created=int(self.clock.now()))
        return item.document()

    # -- changing -----------------------------------------------------------------------------------------

    def update(self, name: str, id: str, data: dict[str, Any], moment: float | None) -> Item:
        """Sets what `data` says. moment: what `updated_at` becomes; None leaves it: nobody can tell."""
        item = self.existing(name, id)
        document = item.document()
        data = dict(data)
        above = self.get("repository", item.parent or "")
        if name in ("issue", "pull_request"):
            assert above is not None
            self._resolve(above.document(), data)
            self._close(document, data, moment)
        if name == "branch" and isinstance(data.get("commit"), str):
            url = document["commit"]["url"].rpartition("/")[0]
            data["commit"] = {"sha": data["commit"], "url": f"{url}/{data['commit']}"}
        before = dict(document)
        document.update(data)
        if document == before:
            return item
        if "updated_at" in document and moment is not None and "updated_at" not in data:
            document["updated_at"] = iso(moment)
        if name == "repository" and (document["name"] != before["name"]):
            document["full_name"] = before["full_name"]
            self._replace(name, item, document)
            self._rename(item, document["name"], before["name"])
            return item
        if name == "label" and document["name"] != before["name"]:
            url = document["url"].rpartition("/")[0]
            document["url"] = f"{url}/{quote(document['name'])}"
        self._replace(name, item, document)
        self._updated(name, item, before, document)
        return item

    def delete(self, name: str, id: str) -> None:
        """What hangs on an object goes with it."""
        if name in ("user", "organization", "pull_request", "commit"):
            raise Refused(f"a {name} is never deleted")
        item = self.existing(name, id)
        document = item.document()
        if "pull_request" in document:
            raise Refused(f"{document['html_url']} is a pull request, which nobody can delete")
        for child in CHILDREN.get(name, ()):
            for below in list(self.stores[child.name].children(id)):
                self._below_gone(child.name, below)
        if name == "issue":
            for comment in self.comments("issue_comment", document["url"]):
                self._remove("issue_comment", comment.id)
        self._remove(name, id)
        self._deleted(name, item, document)

    def transfer(self, id: str, target: str, moment: float) -> Item:
        """Moves an issue to another repository, where it has another id and number; comments go along."""
        item, above = self.existing("issue", id), self.repository(target)
        if above is None:
            raise Refused(f"there is no repository {target!r}")
        old = item.document()
        comments = [each.document() for each in self.comments("issue_comment", old["url"])]
        kept = ("title", "body", "state", "state_reason", "closed_at", "user", "created_at")
        self.delete("issue", id)
        new = self.create(
            "issue",
            {**{member: old[member] for member in kept}, "labels": [], "assignees": [], "milestone": None,
             "updated_at": iso(moment)},
            parent=above.id,
            created=item.created,
        )  # fmt: skip
        number = new.document()["number"]
        for comment in comments:
            data = {member: comment[member] for member in ("body", "user", "created_at", "updated_at")}
            self.create(
                "issue_comment", {**data, "issue_number": number}, parent=above.id, created=item.created
            )
        self.transferred[item.parent or "", old["number"]] = above.id, number
        return new

    def comments(self, collection: str, address: str) -> list[Item]:
        """Comments on the issue or pull request with this `url`, oldest first."""
        member = "issue_url" if collection == "issue_comment" else "pull_request_url"
        return self.stores[collection].where(member, address, lambda item: item.document()[member])

    def amend(self, name: str, item: Item, change: Callable[[dict[str, Any]], None]) -> None:
        """A change that follows from another one, and that no `updated_at` tells of."""
        document = item.document()
        change(document)
        self._replace(name, item, document)

    def _replace(self, name: str, item: Item, document: dict[str, Any]) -> None:
        self.stores[name].replace(item, dump(document))
        self._touch(name, item, document)

    def _remove(self, name: str, id: str) -> None:
        self.stores[name].remove(id)
        self.touched[name].pop(id, None)
        self.changes[name] += 1

    def _below_gone(self, name: str, item: Item) -> None:
        for child in CHILDREN.get(name, ()):
            for below in list(self.stores[child.name].children(item.id)):
                self._below_gone(child.name, below)
        self._remove(name, item.id)

    def _touch(self, name: str, item: Item, document: dict[str, Any]) -> None:
        self.touched[name][item.id] = document.get("updated_at") or iso(item.created)
        self.changes[name] += 1

    # -- consequences -------------------------------------------------------------------------------------

    def _created(self, name: str, document: dict[str, Any], above: dict[str, Any] | None) -> None:
        if above is None:
            return
        match name:
            case "issue":
                self._count_issue(document, 1)
            case "issue_comment":
                self._said(str(above["id"]), document["issue_url"], document["updated_at"], 1)
            case "review" | "review_comment":
                moment = document.get("updated_at") or document["submitted_at"]
                parts = document["pull_request_url"].rpartition("/pulls/")
                self._said(
                    str(above.get("base", {}).get("repo", above)["id"]),
                    f"{parts[0]}/issues/{parts[2]}",
                    moment,
                    0,
                )
            case "stargazer":
                self._count_stars(str(above["id"]), 1)
            case "commit":
                self._pushed(str(above["id"]), document)
            case "release" if not document["draft"]:
                if self.find("tag", str(above["id"]), "name", document["tag_name"]) is None:
                    tag = {"name": document["tag_name"]}
                    self.create("tag", tag, parent=str(above["id"]), created=int(self.clock.now()))

    def _updated(self, name: str, item: Item, before: dict[str, Any], document: dict[str, Any]) -> None:
        if name in ("issue", "pull_request"):
            self._mirror(name, item, document)
        if name == "issue" and document["state"] != before["state"]:
            self._count_issue(before, -1)
            self._count_issue(document, 1)
        elif name == "label":
            self._shown_by_issues(item, "labels", document["id"], document)
        elif name == "milestone":
            self._shown_by_issues(item, "milestone", document["id"], document)

    def _deleted(self, name: str, item: Item, document: dict[str, Any]) -> None:
        match name:
            case "issue":
                self._count_issue(document, -1)
            case "issue_comment":
                self._said(item.parent or "", document["issue_url"], None, -1)
            case "stargazer":
                self._count_stars(item.parent or "", -1)
            case "label":
                self._shown_by_issues(item, "labels", document["id"], None)
            case "milestone":
                self._shown_by_issues(item, "milestone", document["id"], None)
            case "repository":
                self._names.pop(document["full_name"].lower(), None)
                self.renamed = {name: id for name, id in self.renamed.items() if id != item.id}

    def _close(self, document: dict[str, Any], data: dict[str, Any], moment: float | None) -> None:
        if data.get("state", document["state"]) == document["state"]:
            return
        closed = data["state"] == "closed"
        data.setdefault("closed_at", iso(moment or self.clock.now()) if closed else None)
        if "state_reason" in document and "pull_request" not in document:
            data.setdefault("state_reason", "completed" if closed else "reopened")

    def _mirror(self, name: str, item: Item, document: dict[str, Any]) -> None:
        """What one face of a pull request shows, the other one shows as well."""
        other = "issue" if name == "pull_request" else "pull_request"
        if name == "issue" and "pull_request" not in document:
            return
        face = self.find(other, item.parent or "", "number", document["number"])
        if face is None:
            return
        before = face.document()

        def change(shown: dict[str, Any]) -> None:
            shown.update({member: document[member] for member in SHARED})
            if other == "issue":
                shown["pull_request"]["merged_at"], shown["draft"] = document["merged_at"], document["draft"]

        self.amend(other, face, change)
        if other == "issue" and before["state"] != document["state"]:
            self._count_issue(before, -1)
            self._count_issue(face.document(), 1)

    def _count_issue(self, issue: dict[str, Any], by: int) -> None:
        """The numbers of open issues: of the repository, and of the milestone."""
        repository = self.repository(issue["repository_url"].rpartition("/repos/")[2])

        def counted(document: dict[str, Any]) -> None:
            document["open_issues"] += by
            document["open_issues_count"] += by

        if repository is not None and issue["state"] == "open":
            self.amend("repository", repository, counted)
        milestone = issue["milestone"] and self.get("milestone", str(issue["milestone"]["id"]))
        if milestone:
            member = f"{issue['state']}_issues"
            self.amend("milestone", milestone, lambda shown: shown.update({member: shown[member] + by}))

    def _count_stars(self, repository: str, by: int) -> None:
        def counted(document: dict[str, Any]) -> None:
            for member in ("stargazers_count", "watchers_count", "watchers"):
                document[member] += by

        self.amend("repository", self.existing("repository", repository), counted)

    def _said(self, repository: str, address: str, moment: str | None, by: int) -> None:
        """Something was said about an issue, which counts as an update of it. A comment's end is none."""
        item = self.find("issue", repository, "number", int(address.rpartition("/")[2]))
        if item is None:
            return

        def change(document: dict[str, Any]) -> None:
            document["comments"] += by
            document["updated_at"] = max(document["updated_at"], moment or "")

        self.amend("issue", item, change)
        self._mirror("issue", item, item.document())

    def _pushed(self, repository: str, commit: dict[str, Any]) -> None:
        item = self.existing("repository", repository)
        pushed = commit["commit"]["committer"]["date"]
        self.amend("repository", item, lambda shown: shown.update(pushed_at=max(shown["pushed_at"], pushed)))
        branch = self.find("branch", repository, "name", item.document()["default_branch"])
        if branch is not None:
            tip = {"sha": commit["sha"], "url": commit["url"]}
            self.amend("branch", branch, lambda shown: shown.update(commit=tip))

    def _shown_by_issues(self, item: Item, member: str, id: int, now: dict[str, Any] | None) -> None:
        """A label or a milestone has changed or is gone: in the issues too, and none of them is updated."""
        mark = b'"id":%d,' % id

        def change(document: dict[str, Any]) -> None:
            if member == "milestone":
                document[member] = now
            else:
                kept = (now if each["id"] == id else each for each in document[member])
                document[member] = [each for each in kept if each is not None]

        for name in ("issue", "pull_request"):
            for shown in self.stores[name].children(item.parent or ""):
                if mark in shown.raw:
                    self.amend(name, shown, change)

    def _rename(self, item: Item, new: str, old: str) -> None:
        """Every address below a repository has its name in it; that is no update of anything either."""
        owner = item.document()["owner"]["login"]
        was, now = f"{owner}/{old}", f"{owner}/{new}"
        if now.lower() in self._names:
            raise Refused(f"there is a repository {now} already")
        del self._names[was.lower()]
        self._names[now.lower()] = item.id
        self.renamed.pop(now.lower(), None)
        self.renamed[was.lower()] = item.id
        pattern = re.compile(
            rf'(/repos/|github\.com[/:]|"full_name":"){re.escape(was)}(?=[/"{{?#]|\.git")'.encode()
        )

        def addressed(raw: bytes) -> dict[str, Any]:
            renamed = pattern.sub(lambda found: found[1] + now.encode(), raw)
            return json.loads(
                renamed.replace(b'"name":%b,"full_name"' % dump(old), b'"name":%b,"full_name"' % dump(new))
            )

        self._replace("repository", item, addressed(item.raw))
        for collection in COLLECTIONS:
            for below in self._below(collection, item.id):
                self._replace(collection.name, below, addressed(below.raw))

    def _below(self, collection: Collection, repository: str) -> list[Item]:
        if collection.parent == "repository":
            return list(self.stores[collection.name].children(repository))
        if collection.parent == "pull_request":
            pulls = self.stores["pull_request"].children(repository)
            return [each for pull in pulls for each in self.stores[collection.name].children(pull.id)]
        return []
