"""Issues, pull requests, what is said about them, and what they are sorted by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..times import iso
from .maker import ASSOCIATIONS, Maker, reactions

if TYPE_CHECKING:
    from ..hub import Hub

# fmt: off
# Objects read best in paragraphs; the formatter would give every member a line.
SHARED = ("title", "body", "state", "closed_at", "labels", "milestone", "assignee", "assignees", "locked",
    "updated_at")
"""What a pull request has in common with the issue that it also is."""


def label(m: Maker) -> dict[str, Any]:
    name = m.data.get("name") or f"{m.words(1)} {m.id}"
    return {
        "id": m.id, "node_id": m.node("LA"), "url": f"{m.url}/labels/{quote(name)}", "name": name,
        "color": f"{m.number(1 << 24):06x}", "default": False, "description": m.words(),
    }


def milestone(m: Maker) -> dict[str, Any]:
    number = m.hub.next_number("milestone", m.parent["id"])
    url = f"{m.url}/milestones/{number}"
    state = m.data.get("state", "closed" if m.chance(0.3) else "open")
    return {
        "url": url, "html_url": f"{m.html}/milestone/{number}", "labels_url": f"{url}/labels", "id": m.id,
        "node_id": m.node("MI"), "number": number, "title": f"{m.words(1)} {number}",
        "description": m.words(),
        "creator": m.user(), "open_issues": 0, "closed_issues": 0, "state": state, "created_at": m.when,
        "updated_at": m.when, "due_on": iso(m.created + 90 * 86_400) if m.chance(0.5) else None,
        "closed_at": m.when if state == "closed" else None,
    }


def issue(m: Maker) -> dict[str, Any]:
    number = m.data.get("number") or m.hub.next_number("issue", m.parent["id"])
    url = f"{m.url}/issues/{number}"
    closed = m.data.get("state", "closed" if m.chance(0.5) else "open") == "closed"
    milestones, assignees = m.below("milestone", 1), [m.user()] if m.chance(0.3) else []
    labels = {each["id"]: each for each in m.below("label", 3)}
    return {
        "url": url, "repository_url": m.url, "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments", "events_url": f"{url}/events",
        "html_url": f"{m.html}/issues/{number}", "id": m.id, "node_id": m.node("I"), "number": number,
        "title": m.words(5), "user": m.user(), "labels": list(labels.values()),
        "state": "closed" if closed else "open", "locked": False,
        "assignee": assignees[0] if assignees else None, "assignees": assignees,
        "milestone": milestones[0] if milestones else None, "comments": 0, "created_at": m.when,
        "updated_at": m.when, "closed_at": m.when if closed else None,
        "author_association": m.pick(ASSOCIATIONS), "active_lock_reason": None,
        "body": m.words(20) if m.chance(0.9) else None, "reactions": reactions(url),
        "timeline_url": f"{url}/timeline", "performed_via_github_app": None,
        "state_reason": "completed" if closed else None,
    }


def pull_request(m: Maker) -> dict[str, Any]:
    """Not yet with what it shares with its issue: the hub makes that first and gives its number."""
    number = m.data["number"]
    url, html, issue = f"{m.url}/pulls/{number}", f"{m.html}/pull/{number}", f"{m.url}/issues/{number}"
    head, base = m.head(), m.head()
    owner = m.parent["owner"]
    closed = m.data.get("state") == "closed"
    merged = m.when if closed and m.chance(0.7) else None
    side = {"user": owner, "repo": m.parent}
    return {
        "url": url, "id": m.id, "node_id": m.node("PR"), "html_url": html, "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch", "issue_url": issue, "number": number, "user": m.user(),
        "created_at": m.when, "merged_at": merged, "merge_commit_sha": m.sha() if closed else None,
        "requested_reviewers": [], "requested_teams": [], "draft": not closed and m.chance(0.1),
        "commits_url": f"{url}/commits", "review_comments_url": f"{url}/comments",
        "review_comment_url": f"{m.url}/pulls/comments{{/number}}", "comments_url": f"{issue}/comments",
        "statuses_url": f"{m.url}/statuses/{head}",
        "head": {"label": f"{owner['login']}:topic-{number}", "ref": f"topic-{number}", "sha": head, **side},
        "base": {"label": f"{owner['login']}:main", "ref": "main", "sha": base, **side},
        "_links": {name: {"href": href} for name, href in {
            "self": url, "html": html, "issue": issue, "comments": f"{issue}/comments",
            "review_comments": f"{url}/comments", "review_comment": f"{m.url}/pulls/comments{{/number}}",
            "commits": f"{url}/commits", "statuses": f"{m.url}/statuses/{head}"}.items()},
        "author_association": m.pick(ASSOCIATIONS), "auto_merge": None, "active_lock_reason": None,
    }


def as_pull_request(m: Maker, number: int) -> dict[str, Any]:
    """The key that tells a pull request from an issue in the list of both."""
    url, html = f"{m.url}/pulls/{number}", f"{m.html}/pull/{number}"
    return {"url": url, "html_url": html, "diff_url": f"{html}.diff", "patch_url": f"{html}.patch",
            "merged_at": None}


def issue_comment(m: Maker) -> dict[str, Any]:
    issue = m.hub.numbered("issue", m.parent["id"], m.data.get("issue_number"), m.rng)
    number = issue["number"]
    place = "pull" if "pull_request" in issue else "issues"
    url = f"{m.url}/issues/comments/{m.id}"
    return {
        "url": url, "html_url": f"{m.html}/{place}/{number}#issuecomment-{m.id}",
        "issue_url": f"{m.url}/issues/{number}", "id": m.id, "node_id": m.node("IC"), "user": m.user(),
        "created_at": m.when, "updated_at": m.when, "author_association": m.pick(ASSOCIATIONS),
        "body": m.words(12), "reactions": reactions(url), "performed_via_github_app": None,
    }


def review(m: Maker) -> dict[str, Any]:
    """Below a pull request. One that is pending has no time, and only its author sees it: there is none."""
    html = f"{m.parent['html_url']}#pullrequestreview-{m.id}"
    return {
        "id": m.id, "node_id": m.node("PRR"), "user": m.user(), "body": m.words(6) if m.chance(0.6) else "",
        "state": m.pick(("APPROVED", "CHANGES_REQUESTED", "COMMENTED", "DISMISSED")), "html_url": html,
        "pull_request_url": m.parent["url"], "author_association": m.pick(ASSOCIATIONS),
        "_links": {"html": {"href": html}, "pull_request": {"href": m.parent["url"]}},
        "submitted_at": m.when, "commit_id": m.parent["head"]["sha"],
    }


def review_comment(m: Maker) -> dict[str, Any]:
    pull = m.hub.numbered("pull_request", m.parent["id"], m.data.get("pull_number"), m.rng)
    url, html = f"{m.url}/pulls/comments/{m.id}", f"{pull['html_url']}#discussion_r{m.id}"
    sha, line = pull["head"]["sha"], m.number(400) + 1
    return {
        "url": url, "pull_request_review_id": m.id - 1, "id": m.id, "node_id": m.node("PRRC"),
        "diff_hunk": "@@ -1,2 +1,2 @@\n-old\n+new", "path": f"src/{m.words(1)}.rs", "commit_id": sha,
        "original_commit_id": sha, "user": m.user(), "body": m.words(8), "created_at": m.when,
        "updated_at": m.when, "html_url": html, "pull_request_url": pull["url"],
        "author_association": m.pick(ASSOCIATIONS),
        "_links": {"self": {"href": url}, "html": {"href": html}, "pull_request": {"href": pull["url"]}},
        "reactions": reactions(url), "start_line": None, "original_start_line": None, "start_side": None,
        "line": line, "original_line": line, "side": "RIGHT", "position": 1, "original_position": 1,
        "subject_type": "line",
    }


def alone_issue(hub: Hub, document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "closed_by": document["user"] if document["state"] == "closed" else None}


def alone_pull_request(hub: Hub, document: dict[str, Any]) -> dict[str, Any]:
    merged = document["merged_at"] is not None
    return {
        **document, "merged": merged, "mergeable": None, "rebaseable": None, "mergeable_state": "unknown",
        "merged_by": document["user"] if merged else None, "comments": 0, "review_comments": 0,
        "maintainer_can_modify": False, "commits": 1, "additions": 2, "deletions": 1, "changed_files": 1,
    }
