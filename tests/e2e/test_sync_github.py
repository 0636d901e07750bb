"""GitHub: lists beneath repositories that a sync names, on real workers, against the fake."""

from collections.abc import Iterator
from pathlib import Path

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


def test_a_repository_that_is_not_there_is_no_empty_one(database: Database, github: Upstream) -> None:
    github.create("issue", count=3, parent="acme/one", event=False)
    sync = starts(database, github, "issue", repositories=["acme/one", "acme/gone"])
    eventually(lambda: sync.health("issue") == "failing", 20, what=database.status)
    assert "404" in database.status()


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
