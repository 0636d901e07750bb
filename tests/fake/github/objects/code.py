"""Repositories, and what is in them: commits, branches, tags, releases, deployments, workflows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..times import iso
from .accounts import short
from .maker import API, WEB, Maker

if TYPE_CHECKING:
    from ..hub import Hub

# fmt: off
# Objects read best in paragraphs; the formatter would give every member a line.
LINKS = {
    "archive": "{archive_format}{/ref}", "assignees": "assignees{/user}", "blobs": "git/blobs{/sha}",
    "branches": "branches{/branch}", "collaborators": "collaborators{/collaborator}",
    "comments": "comments{/number}", "commits": "commits{/sha}", "compare": "compare/{base}...{head}",
    "contents": "contents/{+path}", "contributors": "contributors", "deployments": "deployments",
    "downloads": "downloads", "events": "events", "forks": "forks", "git_commits": "git/commits{/sha}",
    "git_refs": "git/refs{/sha}", "git_tags": "git/tags{/sha}", "hooks": "hooks",
    "issue_comment": "issues/comments{/number}", "issue_events": "issues/events{/number}",
    "issues": "issues{/number}", "keys": "keys{/key_id}", "labels": "labels{/name}", "languages": "languages",
    "merges": "merges", "milestones": "milestones{/number}",
    "notifications": "notifications{?since,all,participating}", "pulls": "pulls{/number}",
    "releases": "releases{/id}", "stargazers": "stargazers", "statuses": "statuses/{sha}",
    "subscribers": "subscribers", "subscription": "subscription", "tags": "tags", "teams": "teams",
    "trees": "git/trees{/sha}",
}


def repository(m: Maker) -> dict[str, Any]:
    """Of the account that `parent` is."""
    name = m.data.get("name") or f"{m.pick(('core', 'docs', 'site', 'tools'))}-{m.id}"
    owner = m.parent["login"]
    full = f"{owner}/{name}"
    url = f"{API}/repos/{full}"
    private = m.data.get("private", m.chance(0.2))
    kind = "Organization" if "members_url" in m.parent else "User"
    return {
        "id": m.id, "node_id": m.node("R"), "name": name, "full_name": full, "private": private,
        "owner": short(m.parent["id"], owner, kind), "html_url": f"{WEB}/{full}", "description": m.words(6),
        "fork": False, "url": url, **{f"{link}_url": f"{url}/{path}" for link, path in LINKS.items()},
        "git_url": f"git://github.com/{full}.git", "ssh_url": f"git@github.com:{full}.git",
        "clone_url": f"{WEB}/{full}.git", "svn_url": f"{WEB}/{full}", "mirror_url": None,
        "homepage": None, "language": m.pick(("Rust", "Python", None)), "license": None,
        "forks_count": 0, "forks": 0, "stargazers_count": 0, "watchers_count": 0, "watchers": 0,
        "size": 100 + m.number(9000), "default_branch": "main", "open_issues_count": 0, "open_issues": 0,
        "is_template": False, "topics": [], "has_issues": True, "has_projects": True, "has_wiki": True,
        "has_pages": False, "has_downloads": True, "has_discussions": False, "archived": False,
        "disabled": False, "visibility": "private" if private else "public", "allow_forking": True,
        "web_commit_signoff_required": False, "pushed_at": m.when, "created_at": m.when, "updated_at": m.when,
        "permissions": {"admin": False, "maintain": False, "push": True, "triage": True, "pull": True},
    }


def commit(m: Maker) -> dict[str, Any]:
    sha, tree, before = m.data.get("sha") or m.sha(), m.sha(), m.below("commit", 1)
    author = m.user()
    who = {"name": author["login"].title(), "email": f"{author['login']}@example.com", "date": m.when}
    return {
        "sha": sha, "node_id": m.node("C"), "url": f"{m.url}/commits/{sha}",
        "html_url": f"{m.html}/commit/{sha}", "comments_url": f"{m.url}/commits/{sha}/comments",
        "commit": {
            # Whoever amends a commit keeps the author's date: only the committer's says when it came to be.
            "author": {**who, "date": iso(m.created - m.number(86_400))}, "committer": who,
            "message": f"{m.words(4)}\n\n{m.words(12)}", "comment_count": 0,
            "tree": {"sha": tree, "url": f"{m.url}/git/trees/{tree}"}, "url": f"{m.url}/git/commits/{sha}",
            "verification": {"verified": False, "reason": "unsigned", "signature": None, "payload": None,
                "verified_at": None},
        },
        # An address that no account has confirmed is nobody's.
        "author": author if m.chance(0.9) else None, "committer": author,
        "parents": [{name: each[name] for name in ("sha", "url", "html_url")} for each in before],
    }


def branch(m: Maker) -> dict[str, Any]:
    sha = m.head()
    return {
        "name": m.data.get("name") or f"feature/{m.words(1)}-{m.id}",
        "commit": {"sha": sha, "url": f"{m.url}/commits/{sha}"}, "protected": m.chance(0.2),
    }


def tag(m: Maker) -> dict[str, Any]:
    name, sha = m.data.get("name") or f"v{m.id % 10}.{m.id}", m.head()
    return {
        "name": name, "node_id": m.node("REF"), "commit": {"sha": sha, "url": f"{m.url}/commits/{sha}"},
        "zipball_url": f"{m.url}/zipball/refs/tags/{name}",
        "tarball_url": f"{m.url}/tarball/refs/tags/{name}",
    }


def release(m: Maker) -> dict[str, Any]:
    name, url = m.data.get("tag_name") or f"r{m.id}", f"{m.url}/releases/{m.id}"
    draft = m.data.get("draft", m.chance(0.1))
    return {
        "id": m.id, "node_id": m.node("RE"), "url": url, "assets_url": f"{url}/assets",
        "upload_url": f"https://uploads.github.com/repos/{m.parent['full_name']}/releases/{m.id}/assets{{?name,label}}",
        "html_url": f"{m.html}/releases/tag/{name}", "author": m.user(), "tag_name": name,
        "target_commitish": "main", "name": m.words(2), "draft": draft, "prerelease": m.chance(0.2),
        "immutable": False, "created_at": m.when, "updated_at": m.when,
        "published_at": None if draft else m.when, "assets": [], "body": m.words(10),
        "tarball_url": f"{m.url}/tarball/{name}", "zipball_url": f"{m.url}/zipball/{name}",
    }


def deployment(m: Maker) -> dict[str, Any]:
    url, environment = f"{m.url}/deployments/{m.id}", m.pick(("production", "staging"))
    return {
        "id": m.id, "node_id": m.node("DE"), "url": url, "sha": m.head(), "ref": "main", "task": "deploy",
        # What the deployer sent: an object, or a text of its own.
        "payload": m.pick(({}, {"region": "eu"}, "{\"region\": \"us\"}")),
        "original_environment": environment,
        "environment": environment, "description": m.words(), "creator": m.user(), "created_at": m.when,
        "updated_at": m.when, "statuses_url": f"{url}/statuses", "repository_url": m.url,
        "transient_environment": False, "production_environment": environment == "production",
    }


def workflow(m: Maker) -> dict[str, Any]:
    name = m.data.get("name") or f"{m.words(1)} {m.id}"
    path = f".github/workflows/{m.id}.yml"
    return {
        "id": m.id, "node_id": m.node("W"), "name": name, "path": path, "state": "active",
        "created_at": m.when, "updated_at": m.when, "url": f"{m.url}/actions/workflows/{m.id}",
        "html_url": f"{m.html}/blob/main/{path}", "badge_url": f"{m.html}/workflows/{m.id}/badge.svg",
    }


def workflow_run(m: Maker) -> dict[str, Any]:
    url, sha = f"{m.url}/actions/runs/{m.id}", m.head()
    done = m.data.get("status", "completed" if m.chance(0.9) else "in_progress") == "completed"
    workflows = m.below("workflow", 1)
    unknown = {"id": m.id + 1, "path": ".github/workflows/ci.yml", "name": "ci"}
    workflow = workflows[0] if workflows else unknown
    suite, actor, title = m.id + 2, m.user(), m.words(4)
    return {
        "id": m.id, "name": workflow["name"], "node_id": m.node("WFR"), "head_branch": "main",
        "head_sha": sha,
        "path": workflow["path"], "display_title": title, "run_number": m.number(5000) + 1, "event": "push",
        "status": "completed" if done else "in_progress",
        "conclusion": m.pick(("success", "failure", "cancelled")) if done else None,
        "workflow_id": workflow["id"], "check_suite_id": suite, "check_suite_node_id": m.node("CS"),
        "url": url,
        "html_url": f"{m.html}/actions/runs/{m.id}", "pull_requests": [], "created_at": m.when,
        "updated_at": m.when, "actor": actor, "run_attempt": 1, "referenced_workflows": [],
        "run_started_at": m.when, "triggering_actor": actor, "jobs_url": f"{url}/jobs",
        "logs_url": f"{url}/logs", "check_suite_url": f"{m.url}/check-suites/{suite}",
        "artifacts_url": f"{url}/artifacts", "cancel_url": f"{url}/cancel", "rerun_url": f"{url}/rerun",
        "previous_attempt_url": None, "workflow_url": f"{m.url}/actions/workflows/{workflow['id']}",
        "head_commit": {
            "id": sha, "tree_id": m.sha(), "message": title, "timestamp": m.when,
            "author": {"name": "Ada", "email": "ada@example.com"},
            "committer": {"name": "Ada", "email": "ada@example.com"},
        },
        "repository": m.parent, "head_repository": m.parent,
    }


def alone_repository(hub: Hub, document: dict[str, Any]) -> dict[str, Any]:
    more = {"network_count": 0, "subscribers_count": 1, "temp_clone_token": ""}
    if document["owner"]["type"] == "Organization":
        more["organization"] = document["owner"]
    return {**document, **more}


def alone_commit(hub: Hub, document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "stats": {"total": 3, "additions": 2, "deletions": 1}, "files": []}


def alone_branch(hub: Hub, document: dict[str, Any]) -> dict[str, Any]:
    """With the whole commit that it points to."""
    tip = hub.stores["commit"].by_id.get(document["commit"]["sha"])
    url = document["commit"]["url"].rpartition("/commits/")[0] + f"/branches/{document['name']}"
    html = url.replace("/branches/", "/tree/").replace(f"{API}/repos", WEB)
    return {
        **document, "commit": tip.document() if tip else document["commit"],
        "_links": {"self": url, "html": html}, "protection_url": f"{url}/protection",
        "protection": {"enabled": document["protected"], "required_status_checks": {
            "enforcement_level": "off", "contexts": [], "checks": []}},
    }
