"""All accounts, repositories and what is in them, and what a change of one does to the others."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from ..core.clock import Clock
from ..core.data import Refused
from ..core.store import Item, Store, dump
from .catalog import BY_NAME, COLLECTIONS, Collection
from .consequences import Consequences
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
        self._consequences = Consequences(self)
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
        self._consequences.created(name, document, above)
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
        self._consequences.created("issue", issue, above)
        return item

    def _insert(
        self, collection: Collection, document: dict[str, Any], above: dict[str, Any] | None, created: int
    ) -> Item:
        parent = None if above is None else str(above["id"])
        own = document["user"]["id"] if collection.name == "stargazer" else document[collection.key]
        id = f"{parent}/{own}" if collection.scoped else str(own)
        if collection.name == "repository":
            self._check_free(document["full_name"], id)
        try:
            item = self.stores[collection.name].insert(id, created, dump(document), parent)
        except KeyError as error:
            raise Refused(str(error.args[0])) from None
        self._touch(collection.name, item, document)
        if collection.name == "repository":
            self._name(document["full_name"], id)
        elif collection.name in ("user", "organization"):
            self._logins[document["login"].lower()] = (collection.name, item.id)
        return item

    def _check_free(self, name: str, id: str) -> None:
        if self._names.get(name.lower(), id) != id:
            raise Refused(f"there is a repository {name} already")

    def _name(self, name: str, id: str) -> None:
        self._names[name.lower()] = id
        # Who takes a name that another one once had takes its redirect too.
        self.renamed.pop(name.lower(), None)

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
            # It never goes back.
            document["updated_at"] = max(document["updated_at"] or "", iso(moment))
        if name == "repository" and document["name"] != before["name"]:
            self._rename(item, document)
            return item
        if name == "label" and document["name"] != before["name"]:
            url = document["url"].rpartition("/")[0]
            document["url"] = f"{url}/{quote(document['name'])}"
        self.replace(name, item, document)
        self._consequences.updated(name, item, before, document)
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
            for comment in list(self.comments("issue_comment", document["url"])):
                self._remove("issue_comment", comment.id)
        self._remove(name, id)
        if name == "repository":
            del self._names[document["full_name"].lower()]
            self.renamed = {old: renamed for old, renamed in self.renamed.items() if renamed != id}
        self._consequences.deleted(name, item, document)

    def withdraw(self, review: str) -> None:
        """A review that was never submitted goes, which nobody is told of."""
        self._remove("review", review)

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
        self.replace(name, item, document)

    def replace(self, name: str, item: Item, document: dict[str, Any]) -> None:
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

    def _close(self, document: dict[str, Any], data: dict[str, Any], moment: float | None) -> None:
        if data.get("state", document["state"]) == document["state"]:
            return
        closed = data["state"] == "closed"
        data.setdefault("closed_at", iso(moment or self.clock.now()) if closed else None)
        if "state_reason" in document and "pull_request" not in document:
            data.setdefault("state_reason", "completed" if closed else "reopened")

    def _rename(self, item: Item, document: dict[str, Any]) -> None:
        was, now = document["full_name"], f"{document['owner']['login']}/{document['name']}"
        self._check_free(now, item.id)
        self.replace("repository", item, document)
        del self._names[was.lower()]
        self.renamed[was.lower()] = item.id
        self._name(now, item.id)
        self._consequences.renamed(item, was, now)
