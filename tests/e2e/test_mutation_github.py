"""Writing to GitHub: beneath repositories, at paths that the stream knows, without idempotency keys."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from harness import Cluster, Database, Fake, Upstream, eventually
from harness.mutations import describe, failing, mutate, mutation, reached, record_at
from harness.sync import Sync, start_sync
from house.github import request_problems

COLLECTIONS = (
    "repository", "label", "milestone", "branch", "tag", "release", "issue", "issue_comment", "pull_request",
    "pull_request_review", "review_comment", "deployment", "workflow_run",
)  # fmt: skip


@pytest.fixture
def github(fake: Fake) -> Iterator[Upstream]:
    """The repositories acme/one and acme/two, with a branch, a tag and a run each.

    After the test, every write that was not refused must be one that GitHub documents.
    """
    github = fake.upstream("github")
    github.create("organization", login="acme")
    for name in ("one", "two"):
        github.create("repository", parent="acme", name=name, private=False, event=False)
        github.create("commit", parent=f"acme/{name}", event=False)
        for collection, data in (
            ("branch", {"name": "main"}),
            ("branch", {"name": "feature/x"}),
            ("tag", {"name": "v1"}),
            ("workflow_run", {"status": "completed"}),
        ):
            github.create(collection, parent=f"acme/{name}", event=False, **data)
    yield github
    problems = [
        problem
        for each in github.writes()
        if each.status is None or not 400 <= each.status < 500
        for problem in request_problems(each.method, each.path, json.loads(each.body) if each.body else None)
    ]
    assert not problems, problems


def starts(database: Database, github: Upstream, *collections: str, **options: Any) -> Sync:
    options = {"options": {"repositories": ["acme/one", "acme/two"]}, **options}
    return start_sync(database, github, collections, **options).wait()


def repository(github: Upstream, name: str = "one") -> str:
    return next(id for id, each in github.objects("repository").items() if each["name"] == name)


def read_anew(sync: Sync, collection: str) -> None:
    """Has a whole list read once more."""
    backfill = sync.database.value("SELECT sequin.start_backfill('main', %s)", collection)
    done = "SELECT 1 FROM sequin.backfills WHERE id = %s AND state = 'completed'"
    eventually(lambda: sync.database.sql(done, backfill), 30, what=sync.database.status)


def test_objects_of_each_kind_are_made_changed_and_deleted(database: Database, github: Upstream) -> None:
    sync = starts(database, github, *COLLECTIONS)
    home = repository(github)

    def make(collection: str, data: dict[str, Any], parent_id: str = home) -> str:
        asked = mutate(database, collection, "create", data=data, parent_id=parent_id)
        done = reached(database, asked)
        record = record_at(database, done.updated_idx)
        assert (record.upstream_id, record.parent_id) == (done.upstream_id, parent_id)
        assert github.objects(collection)[done.upstream_id] == record.data, "lists show it otherwise"
        return done.upstream_id

    def change(collection: str, id: str, data: dict[str, Any], **shown: Any) -> None:
        done = reached(database, mutate(database, collection, "update", id, data))
        now = record_at(database, done.updated_idx).data
        assert {name: now[name] for name in shown} == shown
        assert {name: github.objects(collection)[id][name] for name in shown} == shown

    label = make("label", {"name": "a b/c", "color": "ff0000"})
    change("label", label, {"new_name": "plain"}, name="plain", color="ff0000")
    # It is found by its new name.
    change("label", label, {"description": "said"}, description="said")
    milestone = make("milestone", {"title": "1.0"})
    change("milestone", milestone, {"state": "closed"}, state="closed")
    release = make("release", {"tag_name": "v2", "draft": True})
    change("release", release, {"name": "two", "body": "x"}, name="two", body="x")
    issue = make("issue", {"title": "broken", "labels": ["plain"]})
    change("issue", issue, {"state": "closed", "labels": []}, state="closed", labels=[])
    number = github.objects("issue")[issue]["number"]
    comment = make("issue_comment", {"issue_number": number, "body": "so it is"})
    change("issue_comment", comment, {"body": "it was"}, body="it was")
    pull = make("pull_request", {"title": "mended", "head": "feature/x", "base": "main"})
    change("pull_request", pull, {"title": "mended well"}, title="mended well")
    review = make("pull_request_review", {"event": "COMMENT", "body": "well"}, pull)
    change("pull_request_review", review, {"body": "very well"}, body="very well")
    pending = make("pull_request_review", {"body": "hm"}, pull)
    place = {"pull_number": github.objects("pull_request")[pull]["number"], "path": "src/a.rs", "line": 3}
    remark = make("review_comment", {**place, "commit_id": "a" * 40, "body": "why?"})
    change("review_comment", remark, {"body": "because"}, body="because")
    deployment = make("deployment", {"ref": "main", "payload": {"region": "eu"}})
    change("repository", home, {"description": "all that"}, description="all that")
    sync.collections.remove("repository")
    sync.converge(60)
    for collection, id in (
        ("label", label),
        ("milestone", milestone),
        ("release", release),
        ("issue_comment", comment),
        ("pull_request_review", pending),
        ("review_comment", remark),
        ("deployment", deployment),
        ("branch", f"{home}/feature/x"),
        ("tag", f"{home}/v1"),
        (
            "workflow_run",
            next(id for id, row in sync.records("workflow_run").items() if row.parent_id == home),
        ),
    ):
        reached(database, mutate(database, collection, "delete", id))
        assert id not in github.objects(collection), collection
        assert sync.records(collection)[id].deleted
    sync.converge(60)


def test_the_record_is_what_lists_show_from_then_on(database: Database, github: Upstream) -> None:
    sync = starts(database, github, "label", "issue", "pull_request")
    home = repository(github)
    data = {
        "label": {"name": "x"},
        "issue": {"title": "x"},
        "pull_request": {"title": "x", "head": "feature/x", "base": "main"},
    }
    for collection, given in data.items():
        done = reached(database, mutate(database, collection, "create", data=given, parent_id=home))
        read_anew(sync, collection)
        sync.converge()
        assert sync.records(collection)[done.upstream_id].updated_idx == done.updated_idx, collection


# collection, action, upstream id, data, parent id, SQLSTATE, words
REFUSED: list[tuple[str, str, str | None, str | None, str | None, str, str]] = [
    ("issue", "create", None, '{"title": "x"}', None, "22004", "parent_id"),
    ("issue", "create", None, '{"title": "x"}', "", "22023", "parent_id"),
    ("issue", "update", "1", "{}", None, "42704", "upstream_id"),
    ("issue", "delete", "1", None, None, "0A000", "delete"),
    ("label", "update", None, "{}", None, "22004", "upstream_id"),
    ("label", "delete", "1", None, "1", "22023", "parent_id"),
    ("repository", "update", "1", "{}", "1", "22023", "parent_id"),
    ("issue_comment", "create", None, '{"body": "x"}', "1", "22004", "issue_number"),
    ("issue_comment", "create", None, '{"issue_number": [7]}', "1", "22004", "issue_number"),
    ("pull_request_review", "create", None, "{}", "1", "42704", "github:pull_request"),
]


def test_what_has_no_place_is_refused_at_once(database: Database, github: Upstream) -> None:
    starts(database, github, *dict.fromkeys(each[0] for each in REFUSED))
    for collection, action, id, data, parent_id, state, words in REFUSED:
        with pytest.raises(psycopg.Error) as refusal:
            database.sql(
                "SELECT sequin.mutate('main', %s, %s, %s, %s, %s)", collection, action, id, data, parent_id
            )
        said = refusal.value.diag
        assert said.sqlstate == state, (collection, action, said.message_primary)
        assert words in f"{said.message_primary} {said.message_detail} {said.message_hint}"
        assert said.message_detail and said.message_hint
    assert github.writes() == []


def test_a_refusal_has_the_words_of_the_api(database: Database, github: Upstream) -> None:
    starts(database, github, "label", "issue")
    home = repository(github)
    reached(database, mutate(database, "label", "create", data={"name": "x"}, parent_id=home))
    again = mutate(database, "label", "create", data={"name": "x"}, parent_id=home)
    refused = reached(database, again, "failed")
    assert (refused.status, refused.attempts) == (422, 1)
    assert refused.response["errors"] == [{"resource": "Label", "code": "already_exists", "field": "name"}]
    wrong = mutate(database, "issue", "create", data={"title": 5}, parent_id=home)
    assert "Invalid request" in reached(database, wrong, "failed").error
    nowhere = mutate(database, "issue", "create", data={"title": "x"}, parent_id="999")
    assert reached(database, nowhere, "failed").error_class == "missing"


def test_a_change_of_another_object_is_no_success(database: Database, github: Upstream) -> None:
    """A label is addressed by its name, and the stream learns late that another one has it."""
    [label] = github.create("label", parent="acme/one", name="bug", color="000000", event=False)
    sync = starts(database, github, "label")
    github.update("label", label, name="defect")
    [other] = github.create("label", parent="acme/one", name="bug", color="000000")
    asked = mutate(database, "label", "update", label, {"color": "ffffff"})
    assert other in reached(database, asked, "uncertain").error
    assert sync.live("label")[other]["color"] == "ffffff"


# An outcome that nobody knows

LOST: list[tuple[str, dict[str, Any]]] = [
    ("drop", {"apply": True}),
    ("drop", {"apply": False}),
    ("cut", {"at": 0.5}),
    ("status", {"status": 502, "apply": True}),
    ("status", {"status": 502}),
    ("garbage", {"kind": "html"}),
]
lost = pytest.mark.parametrize("fault", LOST, ids=lambda each: f"{each[0]} {each[1]}")


@pytest.fixture
def small(database: Database, github: Upstream) -> Sync:
    github.create("issue", parent="acme/one", title="old", event=False)
    github.create("label", parent="acme/one", name="old", color="000000", event=False)
    return starts(database, github, "issue", "label")


def applied(fault: tuple[str, dict[str, Any]]) -> bool:
    kind, options = fault
    return options.get("apply", kind not in ("status",))


@lost
def test_an_update_is_looked_for_and_repeated(small: Sync, fault: tuple[str, dict[str, Any]]) -> None:
    database, github = small.database, small.upstream
    github.fault(fault[0], match={"method": "PATCH", "times": 1}, **fault[1])
    issue = github.any_id("issue")
    done = reached(database, mutate(database, "issue", "update", issue, {"title": "new"}))
    assert len(github.writes()) == (1 if applied(fault) else 2)
    assert record_at(database, done.updated_idx).data["title"] == "new"
    small.converge()


@lost
def test_a_label_is_renamed_once(small: Sync, fault: tuple[str, dict[str, Any]]) -> None:
    database, github = small.database, small.upstream
    github.fault(fault[0], match={"method": "PATCH", "times": 1}, **fault[1])
    label = github.any_id("label")
    reached(database, mutate(database, "label", "update", label, {"new_name": "new", "color": "ffffff"}))
    assert len(github.writes()) == (1 if applied(fault) else 2)
    assert small.live("label")[label]["name"] == "new"
    small.converge()


@lost
def test_a_deletion_is_looked_for_and_repeated(small: Sync, fault: tuple[str, dict[str, Any]]) -> None:
    database, github = small.database, small.upstream
    if fault[0] in ("cut", "garbage"):
        pytest.skip("there is nothing in the answer")
    github.fault(fault[0], match={"method": "DELETE", "times": 1}, **fault[1])
    label = github.any_id("label")
    reached(database, mutate(database, "label", "delete", label))
    assert len(github.writes()) == (1 if applied(fault) else 2)
    assert small.records("label")[label].deleted
    small.converge()


@lost
def test_what_can_be_found_is_created_once(small: Sync, fault: tuple[str, dict[str, Any]]) -> None:
    database, github = small.database, small.upstream
    github.fault(fault[0], match={"method": "POST", "times": 1}, **fault[1])
    given = {"name": "new", "color": "ff0000", "description": "said"}
    asked = mutate(database, "label", "create", data=given, parent_id=repository(github))
    done = reached(database, asked)
    assert record_at(database, done.updated_idx).data["name"] == "new"
    assert len(github.writes()) == (1 if applied(fault) else 2)
    small.converge()


def test_what_is_there_already_is_nobodys_creation(small: Sync) -> None:
    database, github = small.database, small.upstream
    github.create("label", parent="acme/one", name="taken", color="123456")
    github.fault("drop", apply=False, match={"method": "POST", "times": 1})
    given = {"name": "taken", "color": "ff0000"}
    asked = mutate(database, "label", "create", data=given, parent_id=repository(github))
    unknown = reached(database, asked, "uncertain")
    assert "another" in unknown.error and len(github.writes()) == 1


def test_what_is_refused_the_second_time_was_done_the_first(small: Sync) -> None:
    """The look comes too early; what is sent again the API takes for a second one."""
    database, github = small.database, small.upstream
    github.fault("drop", apply=True, match={"method": "POST", "times": 1})
    github.fault("status", status=404, match={"method": "GET", "path": "/labels/new", "times": 1})
    given = {"name": "new", "color": "ff0000"}
    asked = mutate(database, "label", "create", data=given, parent_id=repository(github))
    done = reached(database, asked)
    assert [each.status for each in github.writes()][-1] == 422
    assert done.upstream_id in github.objects("label") and done.error is None


@lost
def test_what_can_not_be_found_is_uncertain(small: Sync, fault: tuple[str, dict[str, Any]]) -> None:
    database, github = small.database, small.upstream
    github.fault(fault[0], match={"method": "POST", "times": 1}, **fault[1])
    asked = mutate(database, "issue", "create", data={"title": "new"}, parent_id=repository(github))
    unknown = reached(database, asked, "uncertain")
    assert unknown.attempts == len(github.writes()) == 1
    small.converge()


def test_a_limit_is_no_unknown_outcome(small: Sync) -> None:
    database, github = small.database, small.upstream
    github.fault("status", status=403, headers={"retry-after": "1"}, match={"method": "POST", "times": 1})
    asked = mutate(database, "issue", "create", data={"title": "new"}, parent_id=repository(github))
    assert reached(database, asked).attempts == 2
    assert sum(each["title"] == "new" for each in github.objects("issue").values()) == 1


@pytest.mark.parametrize("status", [404, 409])
def test_a_deletion_that_is_refused_as_of_something_missing_is_looked_at(small: Sync, status: int) -> None:
    """GitHub says of what a token may not delete that it isn't there."""
    database, github = small.database, small.upstream
    github.fault("status", status=status, match={"method": "DELETE", "times": 1})
    label = github.any_id("label")
    refused = reached(database, mutate(database, "label", "delete", label), "failed")
    assert (refused.status, refused.error_class) == (status, "missing")
    assert label in small.live("label")
    # What is gone indeed is done.
    github.delete("label", label)
    reached(database, mutate(database, "label", "delete", label))
    assert small.records("label")[label].deleted


def test_what_fails_again_and_again_is_in_nobodys_way(small: Sync) -> None:
    database, github = small.database, small.upstream
    issue, label = github.any_id("issue"), github.any_id("label")
    number = github.objects("issue")[issue]["number"]
    github.fault("status", status=502, match={"method": "PATCH", "path": f"/issues/{number}"})
    asked = mutate(database, "issue", "update", issue, {"title": "new"})

    def has_failed_often() -> bool:
        return mutation(database, asked).attempts >= 4

    eventually(has_failed_often, 60, what=lambda: describe(database))
    # Others wait for a few seconds at most, and it can be taken back between two tries.
    reached(database, mutate(database, "label", "update", label, {"color": "ffffff"}), timeout=15)
    failing(database, asked, timeout=30)
    assert database.value("SELECT sequin.cancel_mutation(%s)", asked)


def test_a_permission_that_is_gone_after_a_look_is_final(small: Sync) -> None:
    database, github = small.database, small.upstream
    github.fault("drop", apply=False, match={"method": "PATCH", "nth": 1})
    github.fault("status", status=403, match={"method": "PATCH", "after": 1})
    refused = reached(
        database, mutate(database, "issue", "update", github.any_id("issue"), {"title": "new"}), "failed"
    )
    assert (refused.status, refused.error_class) == (403, "permission")
    assert len(github.writes()) == 2


def test_what_can_not_be_asked_for_any_more_is_refused_and_in_nobodys_way(small: Sync) -> None:
    """What a path needs of a record has gone from the stream before the change was sent."""
    database, github = small.database, small.upstream
    label = github.any_id("label")
    database.sql("SELECT sequin.pause_sync('main')")
    asked = mutate(database, "label", "update", label, {"color": "ffffff"})
    other = mutate(database, "issue", "update", github.any_id("issue"), {"title": "new"})
    # As retention does it.
    database.sql("DELETE FROM sequin.records WHERE collection_id = 'github:label'")
    database.sql("SELECT sequin.resume_sync('main')")
    refused = reached(database, asked, "failed")
    assert refused.error_class == "bad_request" and "does not have the object" in refused.error
    reached(database, other)
    assert not github.writes("/labels/")


# Crashes


def kill(cluster: Cluster, database: Database) -> None:
    workers = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'sequin worker' AND datname = %s"
    [(pid,)] = cluster.sql(workers, database.name)
    cluster.crash(pid)


def terminate(cluster: Cluster, database: Database) -> None:
    cluster.end_worker(database.name)


@pytest.mark.crashes
@pytest.mark.parametrize("end", [kill, terminate], ids=lambda each: each.__name__)
@pytest.mark.parametrize("is_applied", [True, False], ids=["made", "not made"])
@pytest.mark.parametrize("what", ["update", "delete", "create what is found", "create"])
def test_before_the_answer(
    cluster: Cluster,
    database: Database,
    github: Upstream,
    what: str,
    is_applied: bool,
    end: Callable[[Cluster, Database], None],
) -> None:
    github.create("label", parent="acme/one", name="old", color="000000", event=False)
    sync = starts(database, github, "issue", "label", frequency="4h")
    home, label = repository(github), github.any_id("label")
    method = {"update": "PATCH", "delete": "DELETE"}.get(what, "POST")
    github.fault("hang", apply=is_applied, match={"method": method, "times": 1})
    match what:
        case "update":
            asked = mutate(database, "label", "update", label, {"color": "ffffff"})
        case "delete":
            asked = mutate(database, "label", "delete", label)
        case "create":
            asked = mutate(database, "issue", "create", data={"title": "once"}, parent_id=home)
        case _:
            given = {"name": "once", "color": "ff0000"}
            asked = mutate(database, "label", "create", data=given, parent_id=home)
    eventually(github.writes, 15, what=lambda: describe(database))
    end(cluster, database)
    reached(database, asked, "uncertain" if what == "create" else "done", timeout=40)
    match what:
        case "update":
            assert github.objects("label")[label]["color"] == "ffffff"
        case "delete":
            assert github.objects("label") == {}
        case "create":
            assert len(github.objects("issue")) == int(is_applied)
        case _:
            assert sorted(each["name"] for each in github.objects("label").values()) == ["old", "once"]
    assert len(github.writes()) == (1 if is_applied or what == "create" else 2)
    if what == "create":
        assert mutation(database, asked).error
    else:
        sync.converge()
