"""GitHub: lists beneath repositories that a sync names, on real workers, against the fake."""

import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import Database, Fake, Upstream, eventually
from harness.fake import declaration
from harness.signing import Key
from harness.sync import Sync, start_sync
from psycopg import errors
from psycopg.types.json import Jsonb

COLLECTIONS = [each["name"] for each in declaration("github")["collections"]]
# Whatever is told of its change.
POLLED = ["issue", "issue_comment", "pull_request", "review_comment", "release", "deployment", "workflow_run"]


@pytest.fixture
def github(fake: Fake) -> Iterator[Upstream]:
    """An organization with two repositories. After the test, no request has been refused for being wrong."""
    github = fake.upstream("github")
    github.create("organization", login="acme")
    for name in ("one", "two"):
        github.create("repository", parent="acme", name=name, private=False, event=False)
    yield github
    refused = [each for each in github.requests() if each.status in (400, 401, 403, 422) and not each.rules]
    assert not refused, f"{len(refused)} requests were refused, the first {refused[0]}"


def starts(database: Database, github: Upstream, *collections: str, **options: object) -> Sync:
    return start_sync(
        database, github, collections, options=options or {"repositories": ["acme/one", "acme/two"]}
    )


def test_an_organization_with_all_that_is_in_it(database: Database) -> None:
    with Fake("--seed", "5", "--no-limits", "--github-organization", "1") as fake:
        github = fake.upstream("github")
        (login,) = [each["login"] for each in github.objects("organization").values()]
        sync = starts(database, github, *COLLECTIONS, org=login).wait(120)
        # What is read alone has more in it than what is listed.
        assert [each["login"] for each in sync.live("organization").values()] == [login]
        sync.collections.remove("organization")
        sync.converge(60)
        assert sync.count() > 1000
        assert not database.sql("SELECT reason FROM sequin.rejected_records")


def test_changes_are_polled_beneath_each_repository(database: Database, github: Upstream) -> None:
    for parent in ("acme/one", "acme/two"):
        github.create("issue", count=120, parent=parent, event=False)
        github.create("pull_request", count=30, parent=parent, event=False)
    sync = starts(database, github, "issue", "pull_request", "issue_comment").wait()
    sync.converge()
    github.update("issue", *github.ids("issue")[60:180], title="renamed, on more than a page")
    github.update("pull_request", *github.ids("pull_request")[:3], title="another")
    github.create("issue", parent="acme/two")
    sync.converge()


def test_options_are_checked(database: Database, github: Upstream) -> None:
    def refused(collections: str, options: object) -> str:
        with pytest.raises(errors.InvalidParameterValue) as refusal:
            database.sql(
                "SELECT sequin.create_sync('x', 's', 'c', %s, options => %s)", collections, Jsonb(options)
            )
        return f"{refusal.value} {refusal.value.diag.message_detail} {refusal.value.diag.message_hint}"

    database.sql("SELECT sequin.create_stream('s')")
    database.sql(
        "SELECT sequin.create_credential('c', 'github', %s)", Jsonb({"kind": "token", "token": "ghp_x"})
    )
    options = database.value("SELECT options FROM sequin.providers WHERE name = 'github'")
    assert options["repositories"]["segments"] == 2
    assert options["org"]["collections"] == ["github:organization", "github:repository"]
    assert database.value("SELECT options FROM sequin.providers WHERE name = 'stripe'") == {}
    assert "repositories" in refused("{issue}", {})
    assert "no such option" in refused("{issue}", {"repos": ["o/r"]})
    for wrong in ("acme", "acme/", "acme/..", "a/b/c", ["acme/one", "acme"], [], 5, None, {"a": "b/c"}):
        refused("{issue}", {"repositories": wrong})
    assert "github:team" in refused("{issue,team}", {"repositories": "acme/one"})


def test_a_repository_more_and_one_less(database: Database, github: Upstream) -> None:
    for parent in ("acme/one", "acme/two"):
        github.create("issue", count=12, parent=parent, event=False)
    sync = starts(database, github, "repository", "issue", repositories="acme/one").wait()
    assert sync.count() == 13
    options = Jsonb({"repositories": ["acme/one", "acme/two"]})
    database.sql("SELECT sequin.update_sync('main', options => %s)", options)
    eventually(lambda: sync.count() == 26, 30, what=database.status)
    database.sql("""SELECT sequin.update_sync('main', options => '{"repositories": "acme/two"}')""")
    eventually(lambda: sync.count() == 13, 30, what=database.status)
    assert {row["full_name"] for row in sync.live("repository").values()} == {"acme/two"}


def test_what_has_not_changed_is_not_sent_again(database: Database, github: Upstream) -> None:
    github.create("pull_request", count=5, parent="acme/one", event=False)
    sync = starts(database, github, "pull_request").wait()
    sync.converge()

    def unchanged() -> bool:
        return len([each for each in github.requests("/pulls") if each.status == 304]) >= 2

    eventually(unchanged, 60, what=database.status)
    github.update(
        "pull_request", github.any_id("pull_request"), title="changed behind an answer that was known"
    )
    sync.converge()


def test_what_has_not_changed_costs_nothing(database: Database, github: Upstream) -> None:
    github.create("repository", parent="acme", name="three", private=False, event=False)
    names = ["acme/one", "acme/two", "acme/three"]
    limit = {"allowed_requests": 30, "interval": 60}
    sync = start_sync(
        database, github, ["pull_request"], rate_limit=limit, options={"repositories": names}
    ).wait()
    one = repository_of(github, "one")

    def unchanged() -> list[float]:
        asked = github.requests(f"/repositories/{one}/pulls")
        return [each.received for each in asked if each.status == 304]

    # Six requests, of which each would be followed by four seconds without looks.
    times = eventually(lambda: (found := unchanged()) and len(found) > 2 and found, 120, what=database.status)
    assert times[-1] - times[-2] < 18
    assert not github.overspent()
    sync.converge()


def test_reviews_are_looked_for_where_the_pull_request_has_changed(
    database: Database, github: Upstream
) -> None:
    github.create("pull_request", count=20, parent="acme/one", created=1_700_000_000, event=False)
    old, other = github.ids("pull_request")[:2]
    github.create("pull_request_review", count=3, parent=old, event=False)
    sync = starts(database, github, "pull_request_review").wait()
    sync.converge()
    github.create("pull_request_review", parent=other)
    before = len(github.requests("/reviews"))
    sync.converge(60)
    assert len(github.requests("/reviews")) - before < 20, "each pull request was asked"


def test_renamed_deleted_and_empty(database: Database, github: Upstream) -> None:
    """A repository that was renamed, issues that are gone, and a repository without anything."""
    github.create("issue", count=30, parent="acme/one", event=False)
    sync = starts(database, github, "repository", "issue", "commit", "label").wait()
    # What is read alone has more in it than what is listed.
    sync.collections.remove("repository")
    sync.converge()
    one = next(id for id, row in github.objects("repository").items() if row["name"] == "one")
    github.update("repository", one, name="first")
    github.delete("issue", *github.ids("issue")[:3])
    # Other options have everything read and compared.
    database.sql(
        """SELECT sequin.update_sync('main', options => '{"repositories": ["acme/first", "acme/two"]}')"""
    )
    sync.converge()
    eventually(lambda: {row["name"] for row in sync.live("repository").values()} == {"first", "two"}, 60)
    assert database.value("SELECT health FROM sequin.status WHERE sync = 'main'") == "healthy"


def unread(database: Database, collection: str, provider: str = "github") -> dict[str, Any]:
    query = "SELECT coalesce(unread, '{}') FROM sequin.sync_collections WHERE collection_id = %s"
    return database.value(query, f"{provider}:{collection}")


def repository_of(github: Upstream, name: str) -> str:
    return next(id for id, row in github.objects("repository").items() if row["name"] == name)


def test_a_repository_that_is_not_there_is_passed_over(database: Database, github: Upstream) -> None:
    github.create("issue", count=3, parent="acme/one", event=False)
    sync = starts(database, github, "issue", repositories=["acme/gone", "acme/one"]).wait()
    sync.converge()
    [row] = database.sql("SELECT health, failure_class, error, hint FROM sequin.sync_collections")
    assert (row.health, row.failure_class) == ("degraded", "missing")
    assert row.error.startswith("repositories acme/gone: the API answered 404") and "options" in row.hint
    assert list(unread(database, "issue")) == ["repositories acme/gone"]
    assert database.value("SELECT health FROM sequin.status") == "degraded"
    assert database.value("SELECT detail FROM sequin.sync_log WHERE event = 'unreadable'")["lists"]
    github.create("issue", parent="acme/one")
    sync.converge()
    # Once it is there, what is older than any look comes too.
    github.create("repository", parent="acme", name="gone", private=False, event=False)
    github.create("issue", count=2, parent="acme/gone", created=1_700_000_000, event=False)
    sync.converge(90)
    eventually(lambda: sync.health("issue") == "healthy", 60, what=database.status)
    assert unread(database, "issue") == {}
    assert database.value("SELECT count(*) FROM sequin.sync_log WHERE event = 'readable'") == 1


def test_where_nothing_can_be_read_the_collection_fails(database: Database, github: Upstream) -> None:
    sync = starts(database, github, "issue", repositories=["acme/gone", "acme/lost"])
    eventually(lambda: sync.health("issue") == "failing", 20, what=database.status)
    assert "404" in database.status()
    assert database.value("SELECT backfilled_at IS NULL FROM sequin.sync_collections")
    github.create("repository", parent="acme", name="gone", private=False, event=False)
    github.create("issue", count=2, parent="acme/gone", created=1_700_000_000, event=False)
    sync.wait(90).converge()
    assert list(unread(database, "issue")) == ["repositories acme/lost"]


def test_what_may_not_be_seen_any_more_is_kept(database: Database, github: Upstream) -> None:
    for parent in ("acme/one", "acme/two"):
        github.create("issue", count=5, parent=parent, event=False)
        github.create("pull_request", parent=parent, event=False)
        github.create("pull_request_review", count=2, parent=github.ids("pull_request")[-1], event=False)
    sync = starts(database, github, "repository", "issue", "pull_request_review").wait()
    assert sync.count() == 2 + 12 + 4
    one = repository_of(github, "one")
    gone = next(
        id for id, row in github.objects("issue").items() if row["repository_url"].endswith("acme/one")
    )
    # GitHub says of a repository that is none of one's business that it isn't there.
    github.configure(tokens={github.api_key: {"repositories": ["acme/one"]}})
    github.delete("issue", gone)
    sync.read_anew()
    assert sync.records("issue")[gone].deleted
    assert sync.count() == 2 + 11 + 4
    assert {sync.health(name) for name in sync.collections} == {"degraded"}
    github.configure(tokens={github.api_key: None})
    # And where it is no longer asked for, it goes.
    database.sql("SELECT sequin.update_sync('main', options => %s)", Jsonb({"repositories": ["acme/one"]}))
    eventually(lambda: sync.count() == 1 + 5 + 2, 60, what=database.status)
    assert set(sync.live("repository")) == {one}


def test_a_list_that_is_missing_is_no_empty_one(database: Database, github: Upstream) -> None:
    for parent in ("acme/one", "acme/two"):
        github.create("issue", count=5, parent=parent, event=False)
    sync = starts(database, github, "issue").wait()
    one, two = repository_of(github, "one"), repository_of(github, "two")
    for status in (404, 403):
        body = {"message": "Resource not accessible by personal access token"}
        github.fault("status", status=status, body=body, match={"path": f"/repositories/{one}/issues"})
        sync.read_anew()
        assert (sync.count(), sync.health("issue")) == (10, "degraded")
        assert list(unread(database, "issue")) == [f"repository {one}"]
        github.clear_faults()
        sync.read_anew()
        eventually(lambda: sync.health("issue") == "healthy", 60, what=database.status)
    # Issues that were turned off, and a repository that is gone, have none.
    github.update("repository", one, has_issues=False)
    github.delete("repository", two)
    sync.read_anew()
    eventually(lambda: sync.count() == 5, 60, what=database.status)
    database.sql("SELECT sequin.update_sync('main', options => %s)", Jsonb({"repositories": ["acme/one"]}))
    eventually(lambda: sync.count() == 0, 60, what=database.status)


def test_a_part_of_a_list_is_not_all_of_it(database: Database, github: Upstream) -> None:
    """A backfill of what is new has not read what has changed while a list could not be read."""
    spec = declaration("github") | {"provider": "github_by_creation"}
    [issue] = [each for each in spec["collections"] if each["name"] == "issue"]
    del issue["updated"]
    issue |= {"created": {"from": "since", "format": "iso8601"}, "changes": {"sweep": 86400}}
    database.sql("SELECT sequin.register_provider(%s)", Jsonb(spec))
    for parent in ("acme/one", "acme/two"):
        github.create("issue", count=5, parent=parent, event=False)
    one = repository_of(github, "one")
    github.fault("status", status=404, match={"path": f"/repositories/{one}/issues"})
    options = {"repositories": ["acme/one", "acme/two"]}
    by_creation = github.declared_as("github_by_creation")
    sync = start_sync(database, by_creation, ["issue"], options=options).wait()
    assert (list(unread(database, "issue", spec["provider"])), sync.count()) == ([f"repository {one}"], 5)
    github.clear_faults()

    def backfill(since: str) -> None:
        state = "SELECT state FROM sequin.backfills WHERE id = %s"
        id = database.value(f"SELECT sequin.start_backfill('main', 'issue', {since})")
        eventually(lambda: database.value(state, id) == "completed", what=database.status)

    backfill("now()")
    assert list(unread(database, "issue", spec["provider"])) == [f"repository {one}"]
    backfill("NULL")
    assert (unread(database, "issue", spec["provider"]), sync.count()) == ({}, 10)


def test_where_a_hundred_lists_are_forbidden_the_collection_is(database: Database, github: Upstream) -> None:
    for number in range(110):
        github.create("repository", parent="acme", name=f"r{number}", private=False, event=False)
    body = {"message": "Must have push access to view repository collaborators."}
    github.fault("status", status=403, body=body, match={"path": "/collaborators"})
    sync = starts(database, github, "collaborator", org="acme")
    eventually(lambda: sync.health("collaborator") == "failing", 60, what=database.status)
    [row] = database.sql("SELECT failure_class, backfilled_at FROM sequin.sync_collections")
    assert row == ("permission", None)
    assert len(github.requests("/collaborators")) < 110


def test_a_repository_that_both_options_name_is_read_once(database: Database, github: Upstream) -> None:
    github.create("issue", count=3, parent="acme/one", event=False)
    options = {"org": "acme", "repositories": ["ACME/one"]}
    sync = starts(database, github, "repository", "issue", **options).wait()
    sync.converge()
    version = sync.records("repository")[repository_of(github, "one")].row_version
    sync.read_anew()
    sync.converge()
    assert sync.records("repository")[repository_of(github, "one")].row_version == version
    assert not github.requests("/repos/[Aa]")


def test_looks_go_on_where_they_are_when_options_change(database: Database, github: Upstream) -> None:
    for parent in ("acme/one", "acme/two"):
        github.create("issue", count=3, parent=parent, created=1_700_000_000, event=False)
    sync = starts(database, github, "issue", repositories="acme/one").wait()

    def since() -> list[str]:
        asked = [urllib.parse.parse_qs(each.query).get("since") for each in github.requests("/issues")]
        return [each[0] for each in asked if each]

    first = eventually(since, 30, what=database.status)[0]
    github.create("issue", parent="acme/one")
    eventually(lambda: since()[-1] > first, 60, what=database.status)
    known, seen = since()[-1], len(since())
    options = Jsonb({"repositories": ["acme/one", "acme/two"]})
    database.sql("SELECT sequin.update_sync('main', options => %s)", options)
    sync.converge(60)
    eventually(lambda: len(since()) >= seen + 2, 60, what=database.status)
    assert all(each >= known for each in since()[seen:])


def test_a_view_has_the_fields_of_githubs_document(database: Database, github: Upstream) -> None:
    github.create("issue", count=3, parent="acme/one", event=False)
    github.create("branch", parent="acme/one", name="feature/x", event=False)
    starts(database, github, "issue", "branch", repositories="acme/one").wait()
    for name in ("issue", "branch"):
        assert database.value("SELECT sequin.create_view(%s)", f"github:{name}") == f"github.{name}"
    columns = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'issue'"
    types = {row.column_name: row.data_type for row in database.sql(columns)}
    expected = {
        "number": "bigint",
        "closed_at": "timestamp with time zone",
        "labels": "jsonb",
        "title": "text",
    }
    assert expected.items() <= types.items()
    truth = sorted(issue["number"] for issue in github.objects("issue").values())
    assert [row.number for row in database.sql("SELECT number FROM github.issue ORDER BY 1")] == truth
    assert database.value("SELECT bool_and(created_at = _created_at) FROM github.issue")
    # A branch is called what it is called, though its record's id has the repository's in front.
    assert "feature/x" in [row.name for row in database.sql("SELECT name FROM github.branch")]


def test_an_app_signs_in(database: Database, github: Upstream, tmp_path: Path) -> None:
    key = Key(tmp_path)
    github.configure(app={"id": 77, "public_key": key.public, "installations": {"5": {"account": "acme"}}})
    github.create("issue", count=3, parent="acme/one", event=False)
    given = {"private_key": key.file.read_text(), "app_id": "77", "installation_id": "5"}
    properties = {"kind": "app", "base_url": github.url, **given}
    database.sql("SELECT sequin.create_credential('upstream', 'github', %s)", Jsonb(properties))
    starts(database, github, "issue").wait().converge()
    assert database.value("SELECT sequin.check_credential('upstream') IS NOT NULL")


def test_limits_are_kept_and_understood(database: Database, github: Upstream) -> None:
    github.create("issue", count=3, parent="acme/one", event=False)
    sync = starts(database, github, "issue").wait()
    for status, headers in (
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}),
        (403, {"retry-after": "1"}),
        (429, {"retry-after": "1"}),
    ):
        github.fault("status", status=status, headers=headers, body={"message": "limit"}, match={"times": 1})
        github.create("issue", parent="acme/one")
        sync.converge()
        github.clear_faults()
    assert "permission" not in database.status()
