"""The fake's answers against GitHub's OpenAPI document: every list, and every object that is read alone."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from fake.client import GitHubClient
from fake.github.catalog import COLLECTIONS
from fake.github.routes import TEMPLATES
from harness import Fake
from house.github import document, documented, request_problems
from jsonschema import Draft202012Validator, FormatChecker


def problems(template: str, answer: Any, method: str = "get", status: str = "200") -> list[str]:
    """What is wrong with an answer to a request for the template."""
    operation = document()["paths"][template][method]
    schema = operation["responses"][status]["content"]["application/json"]["schema"]
    validator = Draft202012Validator(
        {**schema, "components": document()["components"]}, format_checker=FormatChecker()
    )
    return [
        f"{template}: {error.json_path}: {error.message[:200]}" for error in validator.iter_errors(answer)
    ]


@pytest.fixture(scope="module")
def github() -> Iterator[GitHubClient]:
    with Fake("--seed", "13", "--no-limits") as fake:
        yield GitHubClient(fake.url)


def truth(github: GitHubClient, collection: str) -> list[dict[str, Any]]:
    return list(github.control("GET", f"truth?collection=github:{collection}")["objects"].values())


def address(github: GitHubClient, template: str, **more: Any) -> str:
    """The template with what a seeded fake has in its first repository, which has some of everything."""
    review = truth(github, "review")[0]
    owner, repo = review["html_url"].split("/")[3:5]
    organization = truth(github, "organization")[0]["login"]
    given = {"owner": owner, "repo": repo, "org": organization, **more}
    for name, value in given.items():
        template = template.replace(f"{{{name}}}", quote(str(value), safe=""))
    return template.lstrip("/")


@pytest.mark.parametrize("collection", COLLECTIONS, ids=lambda each: each.name)
def test_a_list_is_as_the_document_says(github: GitHubClient, collection) -> None:
    template = "/" + collection.path
    number = truth(github, "review")[0]["pull_request_url"].rpartition("/")[2]
    query = {"state": "all"} if "state" in collection.filters else {}
    answer = github.get(address(github, template, pull_number=number), per_page=100, **query)
    assert answer.status == 200
    found = answer.json[collection.wrap] if collection.wrap else answer.json
    assert found, "there is nothing in it"
    assert problems(template, answer.json) == []


def test_stars_are_as_the_document_says(github: GitHubClient) -> None:
    template = "/repos/{owner}/{repo}/stargazers"
    answer = github.get(address(github, template), {"Accept": "application/vnd.github.star+json"})
    assert {"starred_at", "user"} == set(answer.json[0])
    assert problems(template, answer.json) == []


OBJECTS = sorted(
    template
    for template, (kind, _) in TEMPLATES.items()
    if kind == "object" and "_id}" not in template.split("/")[1]
)


@pytest.mark.parametrize("template", OBJECTS)
def test_an_object_is_as_the_document_says(github: GitHubClient, template: str) -> None:
    _, collection = TEMPLATES[template]
    assert collection is not None
    document_template = documented("/" + template)
    known = truth(github, collection)
    if collection in ("user", "organization", "repository", "team", "review"):
        one = known[0]
    else:
        start = f"https://api.github.com/{address(github, 'repos/{owner}/{repo}')}/"
        one = next(each for each in known if start in json.dumps(each))
    given = {
        "id": one.get("id"),
        "sha": one.get("sha"),
        "name": one.get("name"),
        "tag_name": one.get("tag_name"),
        "slug": one.get("slug"),
        "username": one.get("login"),
        "org": one.get("login"),
        "issue_number": one.get("number"),
        "pull_number": one.get("number") or one.get("pull_request_url", "").rpartition("/")[2],
        "milestone_number": one.get("number"),
    }
    if collection == "team":
        given["org"] = one["html_url"].split("/")[-3]
    answer = github.get(address(github, template, **{name: value for name, value in given.items() if value}))
    assert answer.status == 200, answer.body
    assert problems(document_template, answer.json) == []


@pytest.mark.parametrize(
    ("path", "template"),
    [("user", "/user"), ("user/repos", "/user/repos"), ("rate_limit", "/rate_limit")],
)
def test_what_stands_alone_is_as_the_document_says(github: GitHubClient, path: str, template: str) -> None:
    assert problems(template, github.get(path).json) == []


# Method, path and body of what a connector writes; in braces what an earlier answer has shown.
WRITES: list[tuple[str, str, dict[str, Any] | None]] = [
    ("POST", "issues", {"title": "x", "labels": ["a"], "body": "y"}),
    ("PATCH", "issues/{issue_number}", {"state": "closed", "state_reason": "not_planned", "milestone": None}),
    ("POST", "issues/{issue_number}/comments", {"body": "x"}),
    ("PATCH", "issues/comments/{comment_id}", {"body": "y"}),
    ("POST", "labels", {"name": "written", "color": "ff0000"}),
    ("PATCH", "labels/{name}", {"new_name": "rewritten", "description": "x"}),
    ("POST", "milestones", {"title": "written", "due_on": "2027-01-01T00:00:00Z"}),
    ("PATCH", "milestones/{milestone_number}", {"title": "again"}),
    ("POST", "releases", {"tag_name": "written", "prerelease": True}),
    ("PATCH", "releases/{release_id}", {"name": "x", "body": "y"}),
    ("POST", "pulls", {"title": "x", "head": "written", "base": "main", "draft": True}),
    ("PATCH", "pulls/{pull_number}", {"title": "y", "state": "closed"}),
    ("POST", "pulls/{pull_number}/reviews", {"event": "COMMENT", "body": "x"}),
    ("PUT", "pulls/{pull_number}/reviews/{review_id}", {"body": "y"}),
    ("POST", "deployments", {"ref": "main", "payload": {"a": 1}, "description": None}),
    ("PATCH", "", {"description": "written"}),
]


def test_a_write_and_its_answer_are_as_the_document_says(github: GitHubClient) -> None:
    start = address(github, "repos/{owner}/{repo}")
    given: dict[str, Any] = {}
    for method, path, body in WRITES:
        template = documented("/" + "/".join(["repos/{owner}/{repo}", *filter(None, [path])]))
        operation = document()["paths"][template][method.lower()]
        assert request_problems(method, template, body) == []
        below = path
        for name, value in given.items():
            below = below.replace(f"{{{name}}}", str(value))
        answer = github.send(method, f"{start}/{below}".rstrip("/"), body)
        assert answer.status in (200, 201), (path, answer.body)
        assert str(answer.status) in operation["responses"], path
        assert problems(template, answer.json, method.lower(), str(answer.status)) == []
        made = answer.json
        match path:
            case "issues":
                given["issue_number"] = made["number"]
            case "issues/{issue_number}/comments":
                given["comment_id"] = made["id"]
            case "labels":
                given["name"] = made["name"]
            case "milestones":
                given["milestone_number"] = made["number"]
            case "releases":
                given["release_id"] = made["id"]
            case "pulls":
                given["pull_number"] = made["number"]
            case "pulls/{pull_number}/reviews":
                given["review_id"] = made["id"]
