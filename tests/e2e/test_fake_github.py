"""The fake GitHub's own strictness: what a friendlier fake would let pass."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from fake.client import Answer, GitHubClient, links
from fake.github.catalog import COLLECTIONS, Collection
from harness import Fake

STAR = {"Accept": "application/vnd.github.star+json"}


@pytest.fixture(scope="module")
def github() -> Iterator[GitHubClient]:
    """One that tests share, and leave usable for each other."""
    with Fake("--seed", "11", "--no-limits") as fake:
        yield GitHubClient(fake.url)


@pytest.fixture
def small() -> Iterator[GitHubClient]:
    """One of a test's own: an organization `acme` with the repository `acme/one`; no limits."""
    with Fake() as fake:
        client = GitHubClient(fake.url)
        make(client, "organization", login="acme")
        make(client, "repository", parent="acme", name="one", private=False)
        yield client


def truth(github: GitHubClient, collection: str) -> dict[str, dict[str, Any]]:
    return github.control("GET", f"truth?collection=github:{collection}")["objects"]


def make(github: GitHubClient, collection: str, count: int = 1, **given: Any) -> list[str]:
    """Creates objects; `parent`, `created`, `event` and `odd` are the control's, all else is data."""
    control = {name: given.pop(name) for name in ("parent", "created", "event", "odd") if name in given}
    body = {"collection": f"github:{collection}", "count": count, "data": given, **control}
    return github.control("POST", "create", body)["ids"]


def change(github: GitHubClient, collection: str, id: str, event: Any = True, **data: Any) -> None:
    body = {"collection": f"github:{collection}", "id": id, "data": data, "event": event}
    github.control("POST", "update", body)


def remove(github: GitHubClient, collection: str, *ids: str) -> None:
    github.control("POST", "delete", {"collection": f"github:{collection}", "ids": list(ids)})


def configure(github: GitHubClient, **settings: Any) -> dict[str, Any]:
    return github.control("POST", "settings", {"provider": "github", **settings})


def as_(github: GitHubClient, token: str | None) -> GitHubClient:
    return GitHubClient(f"http://{github.host}:{github.port}", token)


def epoch(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def numbers(answer: Answer) -> list[int]:
    return [each["number"] for each in answer.json]


# Who asks


def test_without_a_user_agent_nothing_is_answered(github: GitHubClient) -> None:
    answer = github.get("user", {"User-Agent": None})
    assert answer.status == 403
    assert answer.body.startswith(b"Request forbidden by administrative rules")
    assert answer.headers["content-type"] == "text/plain"


@pytest.mark.parametrize("header", ["Bearer ghp_other", "Bearer ", "Basic eDp5", "Bearer ghs_made_up", "x"])
def test_a_wrong_token_is_refused(github: GitHubClient, header: str) -> None:
    answer = as_(github, None).get("user", {"Authorization": header})
    assert (answer.status, answer.json["message"]) == (401, "Bad credentials")


def test_both_words_before_a_token_are_good(github: GitHubClient) -> None:
    for word in ("Bearer", "bearer", "token"):
        answer = as_(github, None).get("user", {"Authorization": f"{word} ghp_fake_x"})
        assert (answer.status, answer.json["login"]) == (200, "fake-owner")


def test_the_version_is_checked(github: GitHubClient) -> None:
    for version in ("2022-11-28", "2026-03-10"):
        answer = github.get("user", {"X-GitHub-Api-Version": version})
        assert answer.headers["x-github-api-version-selected"] == version
    assert github.get("user").headers["x-github-api-version-selected"] == "2022-11-28"
    assert github.get("user", {"X-GitHub-Api-Version": "2019-01-01"}).status == 400


def test_a_media_type_that_is_none_of_its_own_is_refused(github: GitHubClient) -> None:
    assert github.get("user", {"Accept": "application/xml"}).status == 415
    for accepted in ("application/vnd.github+json", "application/json", "text/html, */*;q=0.1"):
        assert github.get("user", {"Accept": accepted}).status == 200


def test_a_token_sees_what_it_is_given_and_the_rest_does_not_exist(small: GitHubClient) -> None:
    make(small, "repository", parent="acme", name="two")
    make(small, "issue", parent="acme/one")
    seen = {"repositories": ["acme/one"], "collections": ["issue", "repository"]}
    configure(small, tokens={"ghp_narrow": seen, "ghp_fake": None})
    narrow = as_(small, "ghp_narrow")
    assert narrow.get("repos/acme/one/issues").status == 200
    assert narrow.get("repos/acme/two/issues").status == 404
    assert [each["name"] for each in narrow.all("orgs/acme/repos")] == ["one"]
    assert [each["name"] for each in narrow.all("user/repos")] == ["one"]
    forbidden = narrow.get("repos/acme/one/labels")
    assert (forbidden.status, forbidden.json["message"]) == (
        403, "Resource not accessible by personal access token",
    )  # fmt: skip
    assert narrow.send("POST", "repos/acme/one/labels", {"name": "x"}).status == 403
    assert as_(small, "ghp_fake_revoked").get("user").status == 401


def test_without_a_token_only_what_is_public_exists(small: GitHubClient) -> None:
    make(small, "repository", parent="acme", name="secret", private=True)
    nobody = as_(small, None)
    assert nobody.get("repos/acme/one").status == 200
    assert nobody.get("repos/acme/secret").status == 404
    assert [each["name"] for each in nobody.all("orgs/acme/repos")] == ["one"]
    assert nobody.get("user").status == nobody.get("user/repos").status == 401
    assert nobody.send("POST", "repos/acme/one/issues", {"title": "x"}).status == 401


# Lists


def path_of(github: GitHubClient, collection: Collection) -> str:
    """The collection's list where there is most of it."""
    items = list(truth(github, collection.name).values())
    if "{owner}" not in collection.path:
        login = next(iter(truth(github, "organization").values()))["login"]
        return collection.path.replace("{org}", login)
    addresses = [each["url"] for each in truth(github, "repository").values()]
    review = next(iter(truth(github, "review").values()))["pull_request_url"]
    best = max(addresses, key=lambda url: sum(f"{url}/" in str(each) for each in items))
    if collection.parent == "pull_request":
        best = review.rpartition("/pulls/")[0]
    owner, repo = best.split("/")[-2:]
    path = collection.path.replace("{owner}", owner).replace("{repo}", repo)
    return path.replace("{pull_number}", review.rpartition("/")[2])


def identity(collection: Collection, shown: dict[str, Any]) -> Any:
    return shown["user"]["id"] if "starred_at" in shown else shown[collection.key]


@pytest.mark.parametrize("collection", COLLECTIONS, ids=lambda each: each.name)
def test_every_collection_pages_whole_by_its_links(github: GitHubClient, collection: Collection) -> None:
    path = path_of(github, collection)
    query = {"state": "all"} if "state" in collection.filters else {}
    found = []
    for page in github.pages(path, STAR, per_page=3, **query):
        shown = page.json[collection.wrap] if collection.wrap else page.json
        assert len(shown) <= 3
        found += shown
    ids = [identity(collection, each) for each in found]
    assert ids, "there is nothing in it"
    assert len(set(ids)) == len(ids)
    known = {str(identity(collection, each)): each for each in truth(github, collection.name).values()}
    if not collection.scoped:
        assert all(known[str(id)] == each for id, each in zip(ids, found, strict=True))
    whole = github.get(path, STAR, per_page=100, **query).json
    whole = whole[collection.wrap] if collection.wrap else whole
    assert [identity(collection, each) for each in whole] == ids[:100]


@pytest.mark.parametrize("given", ["0", "-1", "many", ""])
def test_a_page_has_thirty_unless_told_and_a_hundred_at_most(small: GitHubClient, given: str) -> None:
    make(small, "label", 130, parent="acme/one")
    assert len(small.get("repos/acme/one/labels").json) == 30
    assert len(small.get("repos/acme/one/labels", per_page=given).json) == 30
    assert len(small.get("repos/acme/one/labels", per_page=1000).json) == 100
    assert len(small.get("repos/acme/one/labels", per_page=40, page=given).json) == 40


def test_links_lead_to_another_path_and_to_all_directions(small: GitHubClient) -> None:
    make(small, "issue", 25, parent="acme/one", state="closed")
    id = truth(small, "repository").popitem()[0]
    first = small.get("repos/acme/one/issues", state="all", per_page=10)
    start = f"/github/repositories/{id}/issues?state=all&per_page=10"
    assert links(first) == {"next": f"{start}&page=2", "last": f"{start}&page=3"}
    second = small.get(links(first)["next"])
    assert set(links(second)) == {"prev", "next", "last", "first"}
    third = small.get(links(second)["next"])
    assert set(links(third)) == {"prev", "first"}
    assert len(third.json) == 5
    assert "link" not in small.get("repos/acme/one/issues", state="all", per_page=100).headers
    beyond = small.get("repos/acme/one/issues", state="all", page=9)
    assert (beyond.status, beyond.json, "next" in links(beyond)) == (200, [], False)


def test_links_of_a_client_at_the_root_stay_there(small: GitHubClient) -> None:
    make(small, "label", 3, parent="acme/one")
    answer = small.get("/repos/acme/one/labels", per_page=2)
    assert links(answer)["next"].startswith("/repositories/")
    assert len(small.get(links(answer)["next"]).json) == 1
    assert f"<http://{small.host}:{small.port}/repositories/" in answer.headers["link"]


@pytest.mark.parametrize(
    ("path", "home"),
    [
        ("orgs/acme/repos", "organizations"),
        ("orgs/acme/teams", "organizations"),
        ("users/acme/repos", "user"),
    ],
)
def test_lists_of_an_account_move_as_well(small: GitHubClient, path: str, home: str) -> None:
    make(small, "repository", parent="acme", name="two")
    make(small, "team", 2, parent="acme")
    id = next(iter(truth(small, "organization")))
    following = links(small.get(path, per_page=1))["next"]
    assert following.startswith(f"/github/{home}/{id}/")
    assert len(small.all(path, per_page=1)) == 2


def test_pages_by_number_shift(small: GitHubClient) -> None:
    made = make(small, "issue", 10, parent="acme/one", state="open")
    first = small.get("repos/acme/one/issues", per_page=5)
    assert numbers(first) == [10, 9, 8, 7, 6]
    remove(small, "issue", made[-1])
    # What moves up to the page before is never shown…
    [second] = small.pages(links(first)["next"])
    assert numbers(second) == [4, 3, 2, 1]
    make(small, "issue", 3, parent="acme/one", state="open")
    # … and what new ones push out comes again.
    second, third = small.pages(links(first)["next"])
    assert numbers(second) + numbers(third) == [7, 6, 5, 4, 3, 2, 1]


def test_cursors_do_not_shift(small: GitHubClient) -> None:
    make(small, "issue", parent="acme/one")
    made = make(small, "issue_comment", 10, parent="acme/one")
    first = small.get("repos/acme/one/issues/comments", per_page=5)
    assert "after=" in links(first)["next"]
    assert set(links(first)) == {"next"}
    remove(small, "issue_comment", made[0], made[4])
    rest = [each["id"] for page in small.pages(links(first)["next"]) for each in page.json]
    assert [str(each) for each in rest] == made[5:]
    assert small.get("repos/acme/one/issues/comments", after="nonsense").status == 422


def test_which_lists_have_cursors_is_a_setting(small: GitHubClient) -> None:
    make(small, "issue", 3, parent="acme/one", state="open")
    configure(small, cursors=["issue"])
    assert "after=" in links(small.get("repos/acme/one/issues", per_page=2))["next"]
    assert len(small.all("repos/acme/one/issues", per_page=2)) == 3


def test_what_is_unknown_goes_unnoticed(small: GitHubClient) -> None:
    make(small, "label", 2, parent="acme/one")
    assert len(small.get("repos/acme/one/labels", since="2999-01-01T00:00:00Z", nonsense=1).json) == 2


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        ("issues", "state", "done"),
        ("issues", "sort", "id"),
        ("issues", "direction", "up"),
        ("issues", "since", "yesterday"),
        ("issues", "since", "2024-01-01T00:00:00 01:00x"),
        ("pulls", "state", "merged"),
        ("issues/comments", "since", "1700000000"),
        ("milestones", "state", "done"),
        ("actions/runs", "status", "done"),
        ("actions/runs", "created", "last week"),
        ("branches", "protected", "yes"),
    ],
)
def test_a_bad_value_is_refused(small: GitHubClient, path: str, field: str, value: str) -> None:
    answer = small.get(f"repos/acme/one/{path}", **{field: value})
    assert (answer.status, answer.json["message"]) == (422, "Validation Failed")
    [error] = answer.json["errors"]
    assert (error["code"], error["field"]) == ("invalid", field)


@pytest.mark.parametrize(
    ("collection", "path"), [("issue", "issues"), ("milestone", "milestones"), ("pull_request", "pulls")]
)
def test_without_a_state_what_is_closed_is_hidden(small: GitHubClient, collection: str, path: str) -> None:
    make(small, collection, 3, parent="acme/one", state="closed")
    make(small, collection, 2, parent="acme/one", state="open")
    counts = {
        state: len(small.all(f"repos/acme/one/{path}", state=state)) for state in ("open", "closed", "all")
    }
    assert counts == {"open": 2, "closed": 3, "all": 5}
    assert len(small.all(f"repos/acme/one/{path}")) == 2


def test_a_pull_request_is_an_issue_with_another_id(small: GitHubClient) -> None:
    make(small, "issue", parent="acme/one", state="open")
    [id] = make(small, "pull_request", parent="acme/one", state="open", title="Face")
    issue = next(each for each in small.all("repos/acme/one/issues") if "pull_request" in each)
    [pull] = small.all("repos/acme/one/pulls")
    assert (issue["number"], issue["title"]) == (pull["number"], "Face") == (2, "Face")
    assert (str(pull["id"]), str(issue["id"]) in truth(small, "issue")) == (id, True)
    assert pull["id"] != issue["id"]
    change(small, "pull_request", id, title="Changed", state="closed")
    issue = small.get("repos/acme/one/issues/2").json
    assert (issue["title"], issue["state"]) == ("Changed", "closed")
    small.send("PATCH", "repos/acme/one/issues/2", {"state": "open", "labels": ["x"]})
    pull = small.get("repos/acme/one/pulls/2").json
    assert (pull["state"], [each["name"] for each in pull["labels"]]) == ("open", ["x"])


def test_since_is_of_the_last_update_and_includes_its_second(small: GitHubClient) -> None:
    made = make(small, "issue", 3, parent="acme/one", created=1_700_000_000)
    change(small, "issue", made[1], title="new")
    moment = truth(small, "issue")[made[1]]["updated_at"]
    query = {"state": "all", "sort": "updated", "direction": "asc"}
    path = "repos/acme/one/issues"
    assert [str(each["id"]) for each in small.all(path, since=moment, **query)] == [made[1]]
    assert small.all(path, since=iso(epoch(moment) + 1), **query) == []
    assert len(small.all(path, since="2023-11-14T22:13:20Z", **query)) == 3
    assert len(small.all(path, since="2023-11-14T22:13:21Z", **query)) == 1
    # The same moment, an hour further east.
    assert len(small.all(path, since="2023-11-14T23:13:20+01:00", **query)) == 3
    assert [str(each["id"]) for each in small.all(path, **query)] == [made[0], made[2], made[1]]


def test_a_comment_updates_its_issue_and_its_end_does_not(small: GitHubClient) -> None:
    [issue] = make(small, "issue", parent="acme/one", created=1_700_000_000)
    [comment] = make(small, "issue_comment", parent="acme/one", issue_number=1)
    said = truth(small, "issue")[issue]
    assert (said["comments"], epoch(said["updated_at"]) > 1_700_000_000) == (1, True)
    small.control("POST", "clock", {"seconds": 10})
    remove(small, "issue_comment", comment)
    left = truth(small, "issue")[issue]
    assert (left["comments"], left["updated_at"]) == (0, said["updated_at"])


def test_the_direction_of_comments_needs_a_sort(small: GitHubClient) -> None:
    make(small, "issue", parent="acme/one")
    made = [make(small, "issue_comment", parent="acme/one", created=1_700_000_000 + at)[0] for at in range(3)]
    path = "repos/acme/one/issues/comments"
    assert [str(each["id"]) for each in small.all(path, direction="desc")] == made
    assert [str(each["id"]) for each in small.all(path, sort="created", direction="desc")] == made[::-1]
    change(small, "issue_comment", made[0], body="again")
    assert [str(each["id"]) for each in small.all(path, sort="updated")] == [*made[1:], made[0]]


def test_comments_of_one_issue(small: GitHubClient) -> None:
    make(small, "issue", 2, parent="acme/one")
    make(small, "pull_request", parent="acme/one")
    for number in (1, 2, 2, 3):
        make(small, "issue_comment", parent="acme/one", issue_number=number)
    make(small, "review_comment", 2, parent="acme/one", pull_number=3)
    assert len(small.all("repos/acme/one/issues/2/comments", per_page=1)) == 2
    assert len(small.all("repos/acme/one/pulls/3/comments", per_page=1)) == 2
    assert len(small.all("repos/acme/one/issues/comments")) == 4
    assert small.get("repos/acme/one/issues/9/comments").status == 404


@pytest.mark.parametrize("sort", ["created", "updated", "pushed", "full_name"])
def test_repositories_are_sorted_up_by_name_and_down_by_time(github: GitHubClient, sort: str) -> None:
    login = next(iter(truth(github, "organization").values()))["login"]
    member = {"created": "created_at", "updated": "updated_at", "pushed": "pushed_at"}.get(sort, sort)
    found = [each[member] for each in github.all(f"orgs/{login}/repos", sort=sort, per_page=2)]
    assert len(found) > 1
    assert found == sorted(found, reverse=sort != "full_name")
    assert [each["full_name"] for each in github.all("user/repos")] == sorted(
        each["full_name"] for each in truth(github, "repository").values()
    )


def test_stars_have_their_time_with_a_media_type_only(small: GitHubClient) -> None:
    make(small, "user", 3)
    [star] = make(small, "stargazer", parent="acme/one", created=1_700_000_000)
    [plain] = small.get("repos/acme/one/stargazers").json
    [timed] = small.get("repos/acme/one/stargazers", STAR).json
    assert timed == {"starred_at": "2023-11-14T22:13:20Z", "user": plain}
    assert "starred_at" not in plain
    assert star.endswith(f"/{plain['id']}")
    assert small.get("repos/acme/one").json["stargazers_count"] == 1
    assert small.get("repos/acme/one/stargazers", page=401).status == 422


def test_workflow_runs_with_a_filter_end_after_a_thousand(small: GitHubClient) -> None:
    make(small, "workflow_run", 1050, parent="acme/one", status="completed")
    path = "repos/acme/one/actions/runs"
    for query, expected in (({}, 1050), ({"status": "completed"}, 1000), ({"created": ">2020-01-01"}, 1000)):
        pages = list(small.pages(path, **query))
        assert {page.json["total_count"] for page in pages} == {1050}
        assert sum(len(page.json["workflow_runs"]) for page in pages) == expected


@pytest.mark.parametrize(
    ("created", "found"),
    [
        (">=2024-01-02", 2), (">2024-01-02", 1), ("<2024-01-02", 1), ("<=2024-01-02", 2), ("2024-01-02", 1),
        ("2024-01-01..2024-01-02", 2), ("2024-01-02T12:00:00Z..2024-01-03T12:00:00Z", 2), ("<2020-01-01", 0),
    ],
)  # fmt: skip
def test_runs_by_their_time(small: GitHubClient, created: str, found: int) -> None:
    for day in (1, 2, 3):
        make(small, "workflow_run", parent="acme/one", created=epoch(f"2024-01-0{day}T12:00:00Z"))
    runs = small.get("repos/acme/one/actions/runs", created=created).json
    assert (runs["total_count"], len(runs["workflow_runs"])) == (found, found)


def test_commits_by_the_committers_time(small: GitHubClient) -> None:
    for at in range(4):
        make(small, "commit", parent="acme/one", created=1_700_000_000 + at)
    path, since, until = "repos/acme/one/commits", iso(1_700_000_001), iso(1_700_000_002)
    assert len(small.all(path)) == 4
    assert len(small.all(path, since=since)) == len(small.all(path, until=until)) == 3
    assert len(small.all(path, since=since, until=until)) == 2
    moments = [each["commit"]["committer"]["date"] for each in small.all(path)]
    assert moments == sorted(moments, reverse=True)
    assert any(
        each["commit"]["author"]["date"] != each["commit"]["committer"]["date"] for each in small.all(path)
    )


def test_an_empty_repository_has_no_list_of_commits(small: GitHubClient) -> None:
    answer = small.get("repos/acme/one/commits")
    assert (answer.status, answer.json["message"]) == (409, "Git Repository is empty.")


def test_a_repository_without_issues_is_gone_for_them(small: GitHubClient) -> None:
    change(small, "repository", next(iter(truth(small, "repository"))), has_issues=False)
    assert small.get("repos/acme/one/issues").status == small.get("repos/acme/one/issues/1").status == 410


def test_a_branch_may_have_slashes(small: GitHubClient) -> None:
    make(small, "commit", parent="acme/one")
    [id] = make(small, "branch", parent="acme/one", name="feature/a/b")
    assert id.endswith("/feature/a/b")
    for name in ("feature/a/b", "feature%2Fa%2Fb"):
        assert small.get(f"repos/acme/one/branches/{name}").json["name"] == "feature/a/b"


def test_a_commit_moves_the_default_branch(small: GitHubClient) -> None:
    make(small, "branch", parent="acme/one", name="main")
    [commit] = make(small, "commit", parent="acme/one")
    sha = commit.rpartition("/")[2]
    [branch] = small.all("repos/acme/one/branches")
    assert branch["commit"]["sha"] == sha


def test_names_have_no_case(small: GitHubClient) -> None:
    make(small, "label", parent="acme/one", name="Bug")
    assert small.get("repos/ACME/One/labels/bug").json["name"] == "Bug"


def test_some_members_are_only_there_alone(github: GitHubClient) -> None:
    shown = next(each for each in truth(github, "pull_request").values())
    path = shown["url"].removeprefix("https://api.github.com/")
    alone = github.get(path).json
    assert {"mergeable", "merged_by", "additions"} <= set(alone) - set(shown)
    assert {name: alone[name] for name in shown} == shown


def test_ids_do_not_fit_into_32_bits(github: GitHubClient) -> None:
    assert max(int(id) for id in truth(github, "issue_comment")) > 1 << 31


# What moves and what goes away


def test_a_renamed_repository_redirects(small: GitHubClient) -> None:
    [id] = truth(small, "repository")
    make(small, "issue", parent="acme/one", state="open")
    make(small, "pull_request", parent="acme/one", state="open")
    make(small, "workflow_run", parent="acme/one")
    before = truth(small, "issue")
    change(small, "repository", id, name="two")
    moved = small.get("repos/acme/one/issues", state="all", per_page=1)
    assert moved.status == 301
    target = f"http://{small.host}:{small.port}/github/repositories/{id}/issues?state=all&per_page=1"
    assert moved.headers["location"] == moved.json["url"] == target
    assert small.get("repos/acme/one").headers["location"].endswith(f"/github/repositories/{id}")
    assert small.send("POST", "repos/acme/one/issues", {"title": "x"}).status == 307
    # Every address has changed, and no time says so.
    after = truth(small, "issue")
    assert {key: each["updated_at"] for key, each in after.items()} == {
        key: each["updated_at"] for key, each in before.items()
    }
    for collection in ("repository", "issue", "pull_request", "workflow_run"):
        shown = str(truth(small, collection))
        assert "acme/two" in shown
        assert "acme/one" not in shown, collection
    assert small.get("repos/acme/two").json["name"] == "two"
    # Renamed again: both names lead there. The first one comes back to life under another repository.
    change(small, "repository", id, name="three")
    for old in ("one", "two"):
        assert small.get(f"repos/acme/{old}").headers["location"].endswith(f"/repositories/{id}")
    [other] = make(small, "repository", parent="acme", name="one")
    assert str(small.get("repos/acme/one").json["id"]) == other
    # Whoever takes a name takes its redirect, for good.
    remove(small, "repository", other)
    assert small.get("repos/acme/one").status == 404


def test_a_name_that_is_taken_is_refused(small: GitHubClient) -> None:
    make(small, "repository", parent="acme", name="two")
    answer = small.send("PATCH", "repos/acme/two", {"name": "one"})
    assert answer.status == 422
    assert (small.get("repos/acme/two").json["name"], small.get("repos/acme/one").status) == ("two", 200)
    with pytest.raises(AssertionError, match="already"):
        make(small, "repository", parent="acme", name="ONE")
    assert len(truth(small, "repository")) == 2
    assert small.send("PATCH", "repos/acme/two", {"name": "Two"}).json["full_name"] == "acme/Two"
    assert small.get("repos/acme/two").json["name"] == "Two"


def test_a_deleted_issue_is_gone_with_its_comments(small: GitHubClient) -> None:
    [issue, other] = make(small, "issue", 2, parent="acme/one", state="open")
    comment, *_ = make(small, "issue_comment", 3, parent="acme/one", issue_number=1)
    make(small, "issue_comment", parent="acme/one", issue_number=2)
    remove(small, "issue", issue)
    answer = small.get("repos/acme/one/issues/1")
    assert (answer.status, answer.json["message"]) == (410, "This issue was deleted")
    assert [str(each["id"]) for each in small.all("repos/acme/one/issues")] == [other]
    assert small.get(f"repos/acme/one/issues/comments/{comment}").status == 404
    assert len(small.all("repos/acme/one/issues/comments")) == 1
    assert small.get("repos/acme/one").json["open_issues_count"] == 1
    assert small.get("repos/acme/one/issues/99").status == 404
    assert small.control("GET", "truth?collection=github:issue")["deleted"] == [issue]


def test_a_transferred_issue_redirects_to_another_number(small: GitHubClient) -> None:
    [target] = make(small, "repository", parent="acme", name="two")
    make(small, "issue", 4, parent="acme/two")
    [issue] = make(small, "issue", parent="acme/one", title="Wanderer", created=1_700_000_000)
    make(small, "issue_comment", parent="acme/one", issue_number=1, body="Farewell")
    change(small, "issue", issue, repository="acme/two")
    answer = small.get("repos/acme/one/issues/1")
    assert answer.status == 301
    assert answer.headers["location"].endswith(f"/github/repositories/{target}/issues/5")
    found = small.get(answer.headers["location"].partition(f":{small.port}")[2]).json
    assert (found["title"], found["number"], found["created_at"]) == ("Wanderer", 5, "2023-11-14T22:13:20Z")
    assert str(found["id"]) != issue
    assert [each["body"] for each in small.all("repos/acme/two/issues/5/comments")] == ["Farewell"]
    assert (
        small.all("repos/acme/one/issues", state="all") == small.all("repos/acme/one/issues/comments") == []
    )


def test_a_label_is_renamed_in_issues_that_nobody_updated(small: GitHubClient) -> None:
    [label] = make(small, "label", parent="acme/one", name="bug")
    [issue] = make(small, "issue", parent="acme/one", labels=["bug"], state="open")
    [pull] = make(small, "pull_request", parent="acme/one", labels=["bug"], state="open")
    before = truth(small, "issue")[issue]
    small.control("POST", "clock", {"seconds": 10})
    renamed = small.send("PATCH", "repos/acme/one/labels/bug", {"new_name": "defect"})
    assert (renamed.status, renamed.json["url"].rpartition("/")[2]) == (200, "defect")
    after = truth(small, "issue")[issue]
    assert [each["name"] for each in after["labels"]] == ["defect"]
    assert [each["name"] for each in truth(small, "pull_request")[pull]["labels"]] == ["defect"]
    assert after["updated_at"] == before["updated_at"]
    assert small.get("repos/acme/one/labels/bug").status == 404
    assert len(small.all("repos/acme/one/issues", labels="defect")) == 2
    remove(small, "label", label)
    assert truth(small, "issue")[issue]["labels"] == []


def test_a_milestone_counts_its_issues_and_leaves_them(small: GitHubClient) -> None:
    [milestone] = make(small, "milestone", parent="acme/one", title="M", state="open")
    [issue] = make(small, "issue", parent="acme/one", milestone=1, state="open")
    change(small, "milestone", milestone, title="N")
    assert truth(small, "issue")[issue]["milestone"]["title"] == "N"
    change(small, "issue", issue, state="closed")
    shown = truth(small, "milestone")[milestone]
    assert (shown["open_issues"], shown["closed_issues"]) == (0, 1)
    small.send("PATCH", "repos/acme/one/issues/1", {"milestone": None})
    assert truth(small, "milestone")[milestone]["closed_issues"] == 0
    small.send("PATCH", "repos/acme/one/issues/1", {"milestone": 1})
    assert truth(small, "milestone")[milestone]["closed_issues"] == 1
    assert small.send("DELETE", "repos/acme/one/milestones/1").status == 204
    assert truth(small, "issue")[issue]["milestone"] is None


def test_with_a_repository_goes_all_that_is_in_it(small: GitHubClient) -> None:
    make(small, "issue", parent="acme/one")
    make(small, "pull_request", parent="acme/one")
    make(small, "review", parent=next(iter(truth(small, "pull_request"))))
    remove(small, "repository", *truth(small, "repository"))
    for path in ("repos/acme/one", "repos/acme/one/issues"):
        assert small.get(path).status == 404
    for collection in ("issue", "pull_request", "review"):
        assert truth(small, collection) == {}


def test_what_nobody_can_delete(small: GitHubClient) -> None:
    [pull] = make(small, "pull_request", parent="acme/one")
    [issue] = truth(small, "issue")
    for collection, id in (("pull_request", pull), ("issue", issue)):
        with pytest.raises(AssertionError, match="delete"):
            remove(small, collection, id)


# How a change becomes known


def test_a_silent_change_moves_no_time(small: GitHubClient) -> None:
    [issue] = make(small, "issue", parent="acme/one", created=1_700_000_000)
    change(small, "issue", issue, event=False, title="Hush")
    shown = truth(small, "issue")[issue]
    assert (shown["title"], shown["updated_at"]) == ("Hush", "2023-11-14T22:13:20Z")
    change(small, "issue", issue, event={"backdate": 600}, title="Late")
    moment = epoch(truth(small, "issue")[issue]["updated_at"])
    assert 590 <= small.control("GET", "clock")["now"] - moment <= 620
    with pytest.raises(AssertionError, match="at once"):
        change(small, "issue", issue, event={"late": 5}, title="Never")


def test_mutations_are_seeded_and_lists_show_them() -> None:
    def run() -> dict[str, Any]:
        with Fake("--seed", "21", "--now", "1760000000", "--no-limits") as fake:
            github = GitHubClient(fake.url)
            done = github.control("POST", "mutate_random", {"provider": "github", "n": 300, "seed": 4})
            assert min(done.values()) > 20
            for repository in truth(github, "repository").values():
                path = f"repos/{repository['full_name']}"
                for collection, name in (("issue", "issues"), ("issue_comment", "issues/comments")):
                    expected = [
                        each
                        for each in truth(github, collection).values()
                        if f"{repository['url']}/" in each["url"]
                    ]
                    found = github.all(f"{path}/{name}", state="all", sort="created", direction="asc")
                    assert sorted(found, key=lambda each: each["id"]) == sorted(
                        expected, key=lambda each: each["id"]
                    )
            return {each.name: sorted(truth(github, each.name)) for each in COLLECTIONS}

    assert run() == run()


# ETags


def test_an_unchanged_answer_is_free(small: GitHubClient) -> None:
    configure(small, rate=5000)
    make(small, "issue", 3, parent="acme/one", state="open")
    first = small.get("repos/acme/one/issues")
    tag = {"If-None-Match": first.headers["etag"]}
    assert first.headers["etag"].startswith('W/"')
    for _ in range(3):
        again = small.get("repos/acme/one/issues", tag)
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
        assert again.headers["x-ratelimit-used"] == first.headers["x-ratelimit-used"] == "1"
    assert as_(small, "ghp_fake_other").get("repos/acme/one/issues", tag).status == 200
    one = small.get("repos/acme/one/issues/1")
    assert small.get("repos/acme/one/issues/1", {"If-None-Match": one.headers["etag"]}).status == 304
    make(small, "issue", parent="acme/one", state="open")
    assert small.get("repos/acme/one/issues", tag).status == 200
    assert small.get("repos/acme/one/issues").headers["x-ratelimit-used"] == "4"


def test_a_new_page_behind_it_changes_the_tag_of_a_page(small: GitHubClient) -> None:
    make(small, "label", 2, parent="acme/one")
    first = small.get("repos/acme/one/labels", per_page=2)
    make(small, "label", parent="acme/one")
    again = small.get("repos/acme/one/labels", {"If-None-Match": first.headers["etag"]}, per_page=2)
    assert (again.status, again.json) == (200, first.json)
    assert "next" in links(again)


def test_for_nobody_it_is_not_free(small: GitHubClient) -> None:
    configure(small, anonymous_rate=60)
    nobody = as_(small, None)
    tag = {"If-None-Match": nobody.get("repos/acme/one").headers["etag"]}
    again = nobody.get("repos/acme/one", tag)
    assert (again.status, again.headers["x-ratelimit-used"]) == (304, "2")


def test_a_faulty_page_has_a_tag_of_its_own(small: GitHubClient) -> None:
    make(small, "label", 5, parent="acme/one")
    small.control("POST", "faults", {"match": {"times": 1}, "action": {"type": "truncate_page", "keep": 2}})
    short = small.get("repos/acme/one/labels")
    assert len(short.json) == 2
    whole = small.get("repos/acme/one/labels", {"If-None-Match": short.headers["etag"]})
    assert (whole.status, len(whole.json)) == (200, 5)


# Limits


def test_an_hours_budget(small: GitHubClient) -> None:
    configure(small, rate=3, anonymous_rate=1)
    answers = [small.get("repos/acme/one") for _ in range(4)]
    assert [each.status for each in answers] == [200, 200, 200, 403]
    assert [each.headers["x-ratelimit-remaining"] for each in answers] == ["2", "1", "0", "0"]
    last = answers[-1]
    assert last.json["message"].startswith("API rate limit exceeded")
    assert (last.headers["x-ratelimit-limit"], last.headers["x-ratelimit-resource"]) == ("3", "core")
    wait = int(last.headers["x-ratelimit-reset"]) - small.control("GET", "clock")["now"]
    assert 3500 < wait <= 3601
    assert "retry-after" not in last.headers
    # Asking how much is left costs nothing; other tokens have their own.
    core = small.get("rate_limit").json["resources"]["core"]
    assert (core["remaining"], core["used"]) == (0, 3)
    assert as_(small, "ghp_fake_other").get("repos/acme/one").status == 200
    nobody = as_(small, None)
    assert [nobody.get("repos/acme/one").status for _ in range(2)] == [200, 403]
    small.control("POST", "clock", {"seconds": 3601})
    assert small.get("repos/acme/one").headers["x-ratelimit-remaining"] == "2"
    configure(small, refusal_status=429, rate=1)
    assert small.get("repos/acme/one").status == 429


def test_points_a_minute(small: GitHubClient) -> None:
    configure(small, points_rate=7, pause=60)
    assert small.send("POST", "repos/acme/one/issues", {"title": "x"}).status == 201
    assert [small.get("repos/acme/one").status for _ in range(3)] == [200, 200, 403]
    refused = small.get("repos/acme/one")
    assert "secondary rate limit" in refused.json["message"]
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert as_(small, "ghp_fake_other").get("repos/acme/one").status == 200


def test_writes_a_minute(small: GitHubClient) -> None:
    configure(small, writes_rate=2, pause=60, refusal_status=429)
    statuses = [small.send("POST", "repos/acme/one/issues", {"title": "x"}).status for _ in range(3)]
    assert statuses == [201, 201, 429]
    # Whoever has met a secondary limit is refused altogether.
    assert small.get("repos/acme/one").status == 429


def test_requests_at_once(small: GitHubClient) -> None:
    configure(small, concurrency=5, pause=1)
    small.control("POST", "latency", {"ms": 300})
    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(lambda _: small.get("repos/acme/one").status, range(12)))
    assert {200, 403} == set(statuses)
    assert statuses.count(200) <= 5


def test_without_limits_nothing_is_used_up(small: GitHubClient) -> None:
    assert {small.get("repos/acme/one").headers["x-ratelimit-remaining"] for _ in range(3)} == {"5000"}


# Writes


def test_an_issue_lives(small: GitHubClient) -> None:
    make(small, "user", login="ada")
    make(small, "milestone", parent="acme/one")
    given = {"title": "Broken", "labels": ["new"], "assignees": ["ada"], "milestone": 1, "nonsense": 1}
    made = small.send("POST", "repos/acme/one/issues", given)
    assert made.status == 201
    issue = made.json
    assert made.headers["location"] == issue["url"]
    assert (issue["user"]["login"], issue["assignee"]["login"], issue["state"]) == (
        "fake-owner",
        "ada",
        "open",
    )
    assert (issue["milestone"]["number"], issue["body"], "nonsense" in issue) == (1, None, False)
    # A label is made by being used.
    assert [each["name"] for each in small.all("repos/acme/one/labels")] == ["new"]
    small.control("POST", "clock", {"seconds": 5})
    changed = small.send(
        "PATCH", "repos/acme/one/issues/1", {"state": "closed", "milestone": None, "labels": []}
    )
    issue = changed.json
    assert (changed.status, issue["state"], issue["state_reason"]) == (200, "closed", "completed")
    assert issue["closed_at"] == issue["updated_at"] > issue["created_at"]
    assert (issue["milestone"], issue["labels"]) == (None, [])
    again = small.send("PATCH", "repos/acme/one/issues/1", {"state": "open"}).json
    assert (again["closed_at"], again["state_reason"]) == (None, "reopened")


def test_a_repeated_write_is_another_one(small: GitHubClient) -> None:
    key = {"Idempotency-Key": "once"}
    made = [small.send("POST", "repos/acme/one/issues", {"title": "x"}, key).json["number"] for _ in range(2)]
    assert made == [1, 2]


def test_a_write_whose_answer_is_lost_has_happened(small: GitHubClient) -> None:
    action = {"type": "status", "status": 502, "apply": True}
    small.control("POST", "faults", {"match": {"method": "POST", "times": 1}, "action": action})
    assert small.send("POST", "repos/acme/one/issues", {"title": "x"}).status == 502
    assert [each["title"] for each in small.all("repos/acme/one/issues")] == ["x"]


def test_comments_are_written_changed_and_deleted(small: GitHubClient) -> None:
    make(small, "issue", parent="acme/one")
    made = small.send("POST", "repos/acme/one/issues/1/comments", {"body": "first"})
    path = f"repos/acme/one/issues/comments/{made.json['id']}"
    assert (made.status, small.get(path).json) == (201, made.json)
    assert small.send("PATCH", path, {"body": "second"}).json["body"] == "second"
    gone = small.send("DELETE", path)
    assert (gone.status, gone.body) == (204, b"")
    assert small.get(path).status == small.send("DELETE", path).status == 404
    assert small.send("POST", "repos/acme/one/issues/9/comments", {"body": "x"}).status == 404


def test_a_pull_request_is_opened_reviewed_and_commented(small: GitHubClient) -> None:
    pulls = "repos/acme/one/pulls"
    opened = small.send("POST", pulls, {"title": "x", "head": "topic", "base": "main"})
    number = opened.json["number"]
    assert (opened.status, opened.json["head"]["ref"], opened.json["state"]) == (201, "topic", "open")
    [error] = small.send("POST", pulls, {"title": "y", "head": "topic", "base": "main"}).json["errors"]
    assert "already exists" in error["message"]
    pending = small.send("POST", f"{pulls}/{number}/reviews", {"body": "hm"})
    assert (pending.status, pending.json["state"]) == (200, "PENDING")
    assert "submitted_at" not in pending.json
    path = f"{pulls}/{number}/reviews/{pending.json['id']}"
    assert small.send("PUT", path, {"body": "well"}).json["body"] == "well"
    assert small.send("DELETE", path).json["body"] == "well"
    assert small.get(path).status == 404
    said = small.send("POST", f"{pulls}/{number}/reviews", {"event": "APPROVE"}).json
    assert said["state"] == "APPROVED"
    assert small.send("DELETE", f"{pulls}/{number}/reviews/{said['id']}").status == 422
    comment = {"body": "x", "commit_id": "a" * 40, "path": "src/a.rs"}
    assert small.send("POST", f"{pulls}/{number}/comments", comment).status == 422
    made = small.send("POST", f"{pulls}/{number}/comments", {**comment, "line": 7})
    assert (made.status, made.json["line"], made.json["path"]) == (201, 7, "src/a.rs")


def test_branches_tags_runs_and_deployments_go(small: GitHubClient) -> None:
    make(small, "commit", parent="acme/one")
    for name in ("main", "feature/a"):
        make(small, "branch", parent="acme/one", name=name)
    make(small, "tag", parent="acme/one", name="v1")
    refs = "repos/acme/one/git/refs"
    assert small.send("DELETE", f"{refs}/heads/main").status == 422
    assert small.send("DELETE", f"{refs}/heads/feature%2Fa").status == 204
    gone = small.send("DELETE", f"{refs}/heads/feature%2Fa")
    assert (gone.status, gone.json["message"]) == (422, "Reference does not exist")
    assert small.get("repos/acme/one/git/ref/tags/v1").json["ref"] == "refs/tags/v1"
    assert small.send("DELETE", f"{refs}/tags/v1").status == 204
    assert small.get("repos/acme/one/git/ref/tags/v1").status == 404
    made = small.send("POST", "repos/acme/one/deployments", {"ref": "main", "payload": {"a": 1}})
    assert (made.status, made.json["payload"], made.json["environment"]) == (201, {"a": 1}, "production")
    assert small.send("POST", "repos/acme/one/deployments", {"ref": "nowhere"}).status == 422
    assert small.send("DELETE", f"repos/acme/one/deployments/{made.json['id']}").status == 204
    [done] = make(small, "workflow_run", parent="acme/one", status="completed")
    [runs] = make(small, "workflow_run", parent="acme/one", status="in_progress")
    assert small.send("DELETE", f"repos/acme/one/actions/runs/{done}").status == 204
    assert small.send("DELETE", f"repos/acme/one/actions/runs/{runs}").status == 403


def test_a_release_makes_its_tag(small: GitHubClient) -> None:
    made = small.send("POST", "repos/acme/one/releases", {"tag_name": "v1", "draft": True})
    assert (made.status, small.all("repos/acme/one/tags")) == (201, [])
    small.send("POST", "repos/acme/one/releases", {"tag_name": "v2"})
    assert [each["name"] for each in small.all("repos/acme/one/tags")] == ["v2"]
    assert small.get("repos/acme/one/releases/tags/v2").json["tag_name"] == "v2"
    # Nobody but those who may write sees a draft.
    assert [each["tag_name"] for each in as_(small, None).all("repos/acme/one/releases")] == ["v2"]


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "field"),
    [
        ("POST", "issues", {}, "missing_field", "title"),
        ("POST", "issues", {"title": "  "}, "missing_field", "title"),
        ("POST", "issues", {"title": "x", "assignees": ["nobody"]}, "invalid", "assignees"),
        ("POST", "issues", {"title": "x", "milestone": 99}, "invalid", "milestone"),
        ("POST", "issues", {"title": "x", "labels": [""]}, "invalid", "name"),
        ("POST", "issues", {"title": "x", "body": "y" * 65_537}, "custom", "body"),
        ("PATCH", "issues/1", {"state": "done"}, "invalid", "state"),
        ("PATCH", "issues/1", {"state_reason": "bored"}, "invalid", "state_reason"),
        ("POST", "issues/1/comments", {"body": ""}, "missing_field", "body"),
        ("POST", "labels", {"name": "Known"}, "already_exists", "name"),
        ("POST", "labels", {"name": "x", "color": "#ff0000"}, "invalid", "color"),
        ("POST", "milestones", {"description": "x"}, "missing_field", "title"),
        ("POST", "releases", {"name": "x"}, "missing_field", "tag_name"),
        ("POST", "pulls", {"title": "x", "head": "topic"}, "missing_field", "base"),
        ("POST", "pulls", {"title": "x", "head": "topic", "base": "gone"}, "invalid", "base"),
        ("POST", "deployments", {}, "missing_field", "ref"),
        ("POST", "deployments", {"ref": "main", "payload": 5}, None, "payload"),
        ("POST", "issues", {"title": 5}, None, "title"),
        ("PATCH", "issues/1", {"labels": "bug"}, None, "labels"),
        ("PATCH", "issues/1", {"milestone": "1"}, None, "milestone"),
    ],
)
def test_a_bad_write_is_refused_and_changes_nothing(
    small: GitHubClient, method: str, path: str, body: dict, code: str | None, field: str
) -> None:
    make(small, "issue", parent="acme/one")
    make(small, "label", parent="acme/one", name="known")
    before = small.control("GET", "counts"), truth(small, "issue")
    answer = small.send(method, f"repos/acme/one/{path}", body)
    assert answer.status == 422
    if code is None:
        assert f"'properties/{field}'" in answer.json["message"]
    else:
        [error] = answer.json["errors"]
        assert (error["code"], error["field"]) == (code, field)
    assert (small.control("GET", "counts"), truth(small, "issue")) == before


def test_what_is_no_json_is_refused(small: GitHubClient) -> None:
    headers = {"User-Agent": "x"}
    for body, message in ((b"{", "Problems parsing JSON"), (b"[]", "Body should be a JSON object")):
        answer = small.request("POST", "/github/repos/acme/one/issues", body, headers)
        assert (answer.status, answer.json["message"]) == (400, message)


def test_an_archived_repository_is_read_only(small: GitHubClient) -> None:
    make(small, "issue", parent="acme/one")
    assert small.send("PATCH", "repos/acme/one", {"archived": True}).status == 200
    assert small.send("POST", "repos/acme/one/issues", {"title": "x"}).status == 403
    assert small.send("PATCH", "repos/acme/one/issues/1", {"title": "x"}).status == 403
    assert small.get("repos/acme/one/issues", state="all").status == 200


def test_no_other_path_takes_a_write(small: GitHubClient) -> None:
    for method, path in (
        ("POST", "commits"),
        ("DELETE", "issues/1"),
        ("PUT", "labels"),
        ("POST", "issues/comments"),
        ("POST", "pulls/comments"),
        ("PATCH", "deployments/1"),
        ("DELETE", "git/ref/tags/v1"),
    ):
        assert small.send(method, f"repos/acme/one/{path}", {}).status == 404


# Faults


@pytest.mark.parametrize("collection", ["label", "issue_comment"])
@pytest.mark.parametrize(
    "action", [{"type": "duplicate", "count": 2}, {"type": "truncate_page", "keep": 1}, {"type": "reorder"}]
)
def test_no_fault_loses_an_object(small: GitHubClient, collection: str, action: dict) -> None:
    make(small, "issue", parent="acme/one", labels=[])
    made = make(small, collection, 23, parent="acme/one")
    small.control("POST", "faults", {"match": {"every": 2}, "action": action})
    path = {"label": "labels", "issue_comment": "issues/comments"}[collection]
    found = [str(each["id"]) for each in small.all(f"repos/acme/one/{path}", per_page=5)]
    [rule] = small.control("GET", "faults")
    assert rule["applied"] > 1
    assert set(found) == set(made)
    if action["type"] == "duplicate":
        assert len(found) > len(made)


def test_an_odd_record_comes_with_its_page(small: GitHubClient) -> None:
    make(small, "label", 3, parent="acme/one", odd="nul")
    assert b"\\u0000" in small.get("repos/acme/one/labels").body
    small.control(
        "POST", "faults", {"match": {}, "action": {"type": "odd", "kind": "no_id", "position": "last"}}
    )
    pages = list(small.pages("repos/acme/one/labels", per_page=2))
    assert ["id" in each for page in pages for each in page.json] == [True, True, False, True, False]


def test_a_fault_speaks_as_github_does(small: GitHubClient) -> None:
    small.control(
        "POST", "faults", {"match": {"times": 1}, "action": {"type": "rate_limit", "retry_after": 3}}
    )
    answer = small.get("user")
    assert (answer.status, answer.headers["retry-after"]) == (429, "3")
    assert "secondary rate limit" in answer.json["message"]


def test_the_log_shows_no_token(small: GitHubClient) -> None:
    small.get("user", {"Authorization": "token ghp_fake_very_secret"})
    [entry] = small.control("GET", "requests?path=/user")["requests"]
    assert entry["provider"] == "github"
    assert entry["endpoint"] == "GET /user"
    assert "very" not in str(entry)
