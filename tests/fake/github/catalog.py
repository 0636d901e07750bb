"""The lists of the API: how each is found, sorted, filtered and wrapped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Collection:
    """One list of the API.

    path: of the list. parent: the collection above; `repository` also takes what its path says in names.
    key: the member that tells objects apart; where it does so only beneath one parent (`scoped`), the id in
    the control endpoint has the parent's id and a slash in front.
    sorts: value of the parameter `sort` → what it sorts by (created, updated, or a member); the first is the
    default. descending: the default direction. filters: query parameter → allowed values, None for any.
    hidden: parameter → value that a list has without it, the trap of `state`.
    wrap: the member of the answer that has the list, beside `total_count`.
    since: it can be asked for what was updated since. cursor: pages by `after` and not by number, as long as
    the setting `cursors` does not say otherwise.
    deletable, changeable: what mutate_random does to its objects.
    """

    name: str
    path: str
    parent: str | None
    count: int
    key: str = "id"
    scoped: bool = False
    sorts: Mapping[str, str] = field(default_factory=lambda: {"": "created"})
    descending: bool = False
    filters: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    hidden: Mapping[str, str] = field(default_factory=dict)
    wrap: str | None = None
    since: bool = False
    cursor: bool = False
    deletable: bool = True
    changeable: bool = True


STATES = {"state": ("open", "closed", "all")}
OPEN = {"state": "open"}
DATES = {"created": "created", "updated": "updated"}
REPOSITORY_SORTS = {
    "created": "created",
    "updated": "updated",
    "pushed": "pushed_at",
    "full_name": "full_name",
}
RUN_STATES = (
    "completed", "action_required", "cancelled", "failure", "neutral", "skipped", "stale", "success",
    "timed_out", "in_progress", "queued", "requested", "waiting", "pending",
)  # fmt: skip
R = "repos/{owner}/{repo}"

# fmt: off
# In the order in which they are filled: what an object refers to comes first.
# What the documentation does not say of an order without `sort` (labels, tags, teams, releases) is as it was
# seen to be.
COLLECTIONS: tuple[Collection, ...] = (
    Collection("user", "users", None, 40, deletable=False, changeable=False, filters={"since": None},
        cursor=True),
    Collection("organization", "user/orgs", None, 2, deletable=False),
    Collection("repository", "orgs/{org}/repos", "organization", 8, sorts=REPOSITORY_SORTS, descending=True,
        filters={"type": ("all", "public", "private", "forks", "sources", "member")}),
    Collection("team", "orgs/{org}/teams", "organization", 6, sorts={"": "name"}),
    Collection("member", "orgs/{org}/members", "organization", 15, scoped=True, changeable=False,
        filters={"role": ("all", "admin", "member")}),
    Collection("collaborator", f"{R}/collaborators", "repository", 5, scoped=True, changeable=False,
        filters={"affiliation": ("outside", "direct", "all")}),
    Collection("stargazer", f"{R}/stargazers", "repository", 20, scoped=True, cursor=True, changeable=False),
    Collection("label", f"{R}/labels", "repository", 12),
    Collection("milestone", f"{R}/milestones", "repository", 4, filters=STATES, hidden=OPEN,
        sorts={"due_on": "due_on", "completeness": "completeness"}),
    Collection("commit", f"{R}/commits", "repository", 60, "sha", scoped=True, descending=True,
        deletable=False, changeable=False,
        filters={"sha": None, "author": None, "since": None, "until": None}),
    Collection("branch", f"{R}/branches", "repository", 6, "name", scoped=True, sorts={"": "name"},
        filters={"protected": ("true", "false")}),
    Collection("tag", f"{R}/tags", "repository", 6, "name", scoped=True, sorts={"": "name"}, descending=True,
        changeable=False),
    Collection("release", f"{R}/releases", "repository", 6, descending=True),
    Collection("issue", f"{R}/issues", "repository", 70, filters={**STATES, "labels": None, "creator": None,
        "assignee": None, "milestone": None}, hidden=OPEN, sorts={**DATES, "comments": "comments"},
        descending=True, since=True),
    Collection("pull_request", f"{R}/pulls", "repository", 20, filters={**STATES, "base": None, "head": None},
        hidden=OPEN, descending=True, deletable=False,
        sorts={**DATES, "popularity": "created", "long-running": "created"}),
    Collection("issue_comment", f"{R}/issues/comments", "repository", 120, sorts=DATES, since=True,
        cursor=True),
    Collection("review", f"{R}/pulls/{{pull_number}}/reviews", "pull_request", 4, deletable=False),
    Collection("review_comment", f"{R}/pulls/comments", "repository", 40, since=True,
        sorts={**DATES, "created_at": "created"}),
    Collection("deployment", f"{R}/deployments", "repository", 8, descending=True,
        filters=dict.fromkeys(("sha", "ref", "task", "environment"))),
    Collection("workflow", f"{R}/actions/workflows", "repository", 3, wrap="workflows", deletable=False),
    Collection("workflow_run", f"{R}/actions/runs", "repository", 50, wrap="workflow_runs", descending=True,
        filters={"status": RUN_STATES, "created": None, "actor": None, "branch": None, "event": None,
                 "head_sha": None}),
)
# fmt: on

BY_NAME = {each.name: each for each in COLLECTIONS}


def find(name: str) -> Collection:
    """By name or path. Raises KeyError for an unknown one."""
    for each in COLLECTIONS:
        if name in (each.name, each.path):
            return each
    raise KeyError(f"no collection {name!r}; there are {', '.join(BY_NAME)}")
