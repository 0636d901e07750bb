"""GitHub against what nobody here wrote: an imitation, recorded answers, and a judge with its document."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Database, Fake
from harness.fake import declaration
from harness.independent import Server
from harness.independent_github import ORGANIZATION, Emulate, Gate, Recorded
from harness.mutations import mutate, reached
from harness.sync import Sync, demand, start_sync
from house.github import DOCUMENT, DOCUMENT_SHA256, PACKAGE, documented
from house.openapi import openapi, part

# What it lists beneath a repository, and what a sync finds new or changed in it by looking.
LISTED = [*Emulate.lists, "pull_request_review"]
POLLED = ["issue", "pull_request", "pull_request_review", "release", "commit"]


@pytest.fixture
def emulate() -> Iterator[Emulate]:
    with Emulate() as server:
        yield server


def branch(server: Emulate, repository: str, name: str) -> None:
    """A branch with a commit of its own."""
    start = server.get(f"{repository}/branches/main")["commit"]["sha"]
    server.post(f"{repository}/git/refs", ref=f"refs/heads/{name}", sha=start)
    content = base64.b64encode(name.encode()).decode()
    server.ask("PUT", f"{repository}/contents/{name}.txt", message=name, branch=name, content=content)


def pull(server: Emulate, repository: str, name: str) -> str:
    """A pull request of a branch of its own; returns its path."""
    branch(server, repository, name)
    made = server.post(f"{repository}/pulls", title=name, head=name, base="main")
    return f"{repository}/pulls/{made['number']}"


def of_repositories(database: Database, server: Emulate, collections: list[str]) -> Sync:
    options = {"repositories": list(server.repositories)}
    return start_sync(database, server, collections, options=options)


def nothing_was_refused(database: Database, server: Server) -> None:
    assert not database.sql("SELECT reason FROM sequin.rejected_records")
    refused = [each for each in server.relayed if each.status != 200]
    assert not refused, f"{len(refused)} requests were refused, the first {refused[0]}"


def test_everything_that_it_has_arrives(database: Database, emulate: Emulate) -> None:
    for name in ("one", "two"):
        repository = emulate.repository(name)
        for number in range(130):
            emulate.post(f"{repository}/issues", title=f"ä ☃ {number}")
        for number in range(105):
            emulate.post(f"{repository}/labels", name=f"label {number}", color="ff0000")
        emulate.post(f"{repository}/milestones", title="first")
        closed = emulate.post(f"{repository}/issues", title="closed", labels=["label 1"], milestone=1)
        emulate.patch(f"{repository}/issues/{closed['number']}", state="closed")
        for number in range(3):
            request = pull(emulate, repository, f"branch-{number}")
            emulate.post(f"{request}/reviews", body="fine", event="APPROVE")
        emulate.ask("PUT", f"{request}/merge", merge_method="merge")
        emulate.post(f"{repository}/releases", tag_name="v1", name="the first")
        emulate.ask("PUT", f"{repository}/collaborators/bob", permission="push")
    assert all(emulate.objects(each) for each in LISTED if each != "tag")

    sync = of_repositories(database, emulate, ["repository", *LISTED]).wait(60)
    sync.converge()
    assert len(sync.live("issue")) == 262
    assert {each["state"] for each in sync.live("issue").values()} == {"open", "closed"}
    organization = ["organization", "member", "team"]
    start_sync(
        database, emulate, organization, name="organization", options={"org": ORGANIZATION}
    ).wait().converge()
    nothing_was_refused(database, emulate)
    # Its links, that lead to a repository by its name, were followed; nothing else asks for a page.
    for name in emulate.repositories:
        assert len(emulate.asked(f"/repos/{name}/issues", "page")) >= 1
        assert len(emulate.asked(f"/repos/{name}/labels", "page")) >= 1


def test_what_it_is_asked_to_change_it_changes(database: Database, emulate: Emulate) -> None:
    repository = emulate.repository("one")
    at = str(emulate.get(repository)["id"])
    sync = of_repositories(database, emulate, ["repository", "issue", "label", "milestone"]).wait(60)

    def asked(collection: str, action: str, id: str | None = None, **data: str) -> str:
        made = mutate(database, collection, action, id, data or None, parent_id=None if id else at)
        return reached(database, made).upstream_id

    issue = asked("issue", "create", title="ä ☃ from a table")
    asked("issue", "update", issue, title="changed", state="closed")
    label = asked("label", "create", name="by SQL", color="00ff00")
    asked("label", "update", label, color="0000ff")
    milestone = asked("milestone", "create", title="first")
    asked("milestone", "delete", milestone)
    [there] = emulate.objects("issue").values()
    assert (str(there["id"]), there["title"], there["state"]) == (issue, "changed", "closed")
    assert {each["name"]: each["color"] for each in emulate.objects("label").values()}["by SQL"] == "0000ff"
    assert milestone not in emulate.objects("milestone")
    # Its counts of issues are those of the last sweep.
    sync.collections.remove("repository")
    sync.converge()


def test_changes_of_it_arrive(database: Database, emulate: Emulate) -> None:
    repository = emulate.repository("one")
    first, second = (emulate.post(f"{repository}/issues", title=title) for title in ("first", "second"))
    requests = [pull(emulate, repository, name) for name in ("left", "merged")]
    for label in ("kept", "gone"):
        emulate.post(f"{repository}/labels", name=label, color="00ff00")
    released = emulate.post(f"{repository}/releases", tag_name="v1", name="the first")
    sync = of_repositories(database, emulate, LISTED).wait(30)
    sync.converge()
    before = sync.records("issue")

    emulate.patch(f"{repository}/issues/{first['number']}", state="closed", labels=["kept"])
    for number in range(110):
        emulate.post(f"{repository}/issues", title=f"more {number}")
    # A review does not change the time of its pull request here, as it does with GitHub.
    emulate.post(f"{requests[0]}/reviews", body="not yet", event="REQUEST_CHANGES")
    emulate.patch(requests[0], title="renamed")
    emulate.ask("PUT", f"{requests[1]}/merge", merge_method="merge")
    emulate.post(f"{repository}/releases", tag_name="v2", name="the second")
    demand(database, sync.name, "poll")
    Sync(database, emulate, sync.name, sync.stream, POLLED).converge()
    after = sync.records("issue")
    changed, same = str(first["id"]), str(second["id"])
    assert after[changed].data["state"] == "closed"
    assert after[changed].id == before[changed].id
    assert after[changed].updated_idx > before[changed].updated_idx
    assert after[same].updated_idx == before[same].updated_idx
    asked = [each.ask.get("since") for each in emulate.asked(f"/repositories/{_id(emulate)}/issues", "since")]
    assert asked, "changes were not asked for by their time"

    # No list of changes tells of these.
    emulate.delete(f"{repository}/labels/gone")
    emulate.delete(f"{repository}/releases/{released['id']}")
    branch(emulate, repository, "new")
    demand(database, sync.name, "sweep")
    sync.converge()
    gone = sync.records("release")[str(released["id"])]
    assert gone.deleted
    assert gone.data["name"] == "the first"
    nothing_was_refused(database, emulate)


def _id(server: Emulate) -> str:
    [repository] = server.objects("repository")
    return repository


# What GitHub answered once


def test_pages_go_on_where_the_recorded_links_lead(database: Database) -> None:
    """From the second page on they have another path, and a size that was never asked for."""
    with Recorded("paginate-issues") as server:
        options = {"repositories": [server.repository]}
        sync = start_sync(database, server, ["issue"], options=options).wait(20)
        sync.converge()
        assert sync.count() == 13
        assert [each.ask.get("page") for each in server.relayed if each.ask.get("page")] == [
            "2",
            "3",
            "4",
            "5",
        ]
        assert {each.ask.get("per_page") for each in server.relayed if each.ask.get("page")} == {"3"}
        nothing_was_refused(database, server)


def test_a_repository_is_followed_to_where_its_record_says_that_it_has_moved(database: Database) -> None:
    with Recorded("rename-repository") as server:
        options = {"repositories": [server.repository]}
        sync = start_sync(database, server, ["repository"], options=options).wait(20)
        sync.converge()
        [moved] = sync.live("repository").values()
        assert moved["full_name"] == f"{server.repository}-newname"
        assert {each.status for each in server.asked(f"/repos/{server.repository}")} == {301}
        assert {each.status for each in server.asked(f"/repositories/{server.REPOSITORY}")} == {200}
        assert not database.sql("SELECT reason FROM sequin.rejected_records")


# A judge between the connector and the fake


def asked_paths() -> set[str]:
    """The paths of GitHub's document that the declaration's lists are at."""
    found = {"/user"}
    for collection in declaration("github")["collections"]:
        path = collection["path"]
        for each in [path] if isinstance(path, str) else [option["path"] for option in path]:
            by_name = re.sub(r"/repositories/\{[^}]*\}", "/repos/{owner}/{repo}", each)
            found.add(documented(by_name.replace("{repositories}", "{owner}/{repo}")))
    return found


def test_nothing_is_asked_or_answered_that_is_not_in_the_document(database: Database, tmp_path: Path) -> None:
    document = tmp_path / "github.json"
    document.write_text(json.dumps(part(openapi(PACKAGE, DOCUMENT, DOCUMENT_SHA256), asked_paths())))
    few = ("issue", "commit", "pull-request", "workflow-run")
    small = ("--github-organization", "1", *(each for name in few for each in (f"--github-{name}", "10")))
    with Fake("--seed", "5", "--no-limits", *small) as fake:
        upstream = fake.upstream("github")
        [organization] = upstream.objects("organization").values()
        collections = [each["name"] for each in declaration("github")["collections"]]
        with Gate(upstream, document) as gate:
            options = {"org": organization["login"]}
            sync = start_sync(database, gate, collections, options=options).wait(60)
            sync.collections.remove("organization")  # what is read alone has more in it
            sync.converge()
            changed = ["issue", "pull_request", "issue_comment"]
            upstream.mutate_random(40, 1, changed, {"create": 1, "update": 3})
            demand(database, sync.name, "poll")
            Sync(database, gate, sync.name, sync.stream, changed).converge()
            assert not gate.objections, "\n".join(gate.objections[:5])
            asked = {each.ask.path for each in gate.relayed}
            assert len(asked) > 50
            gone_on = [each for each in gate.relayed if each.ask.get("page") or each.ask.get("after")]
            assert gone_on, "no list has"
