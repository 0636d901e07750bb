"""Which endpoint a path is."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote

# Below a repository, which has two names: /repos/{owner}/{repo} and /repositories/{repository_id}.
# Template → (kind, collection). The most literal comes first.
BELOW_REPOSITORY = {
    "": ("object", "repository"),
    "installation": ("installation_of", None),
    "issues": ("list", "issue"),
    "issues/comments": ("list", "issue_comment"),
    "issues/comments/{id}": ("object", "issue_comment"),
    "issues/{issue_number}": ("object", "issue"),
    "issues/{issue_number}/comments": ("list", "issue_comment"),
    "pulls": ("list", "pull_request"),
    "pulls/comments": ("list", "review_comment"),
    "pulls/comments/{id}": ("object", "review_comment"),
    "pulls/{pull_number}": ("object", "pull_request"),
    "pulls/{pull_number}/comments": ("list", "review_comment"),
    "pulls/{pull_number}/reviews": ("list", "review"),
    "pulls/{pull_number}/reviews/{id}": ("object", "review"),
    "commits": ("list", "commit"),
    "commits/{sha}": ("object", "commit"),
    "branches": ("list", "branch"),
    "branches/{name}": ("object", "branch"),
    "git/refs/heads/{name}": ("ref", "branch"),
    "git/refs/tags/{name}": ("ref", "tag"),
    "git/ref/tags/{name}": ("ref", "tag"),
    "tags": ("list", "tag"),
    "releases": ("list", "release"),
    "releases/{id}": ("object", "release"),
    "releases/tags/{tag_name}": ("object", "release"),
    "labels": ("list", "label"),
    "labels/{name}": ("object", "label"),
    "milestones": ("list", "milestone"),
    "milestones/{milestone_number}": ("object", "milestone"),
    "collaborators": ("list", "collaborator"),
    "stargazers": ("list", "stargazer"),
    "deployments": ("list", "deployment"),
    "deployments/{id}": ("object", "deployment"),
    "actions/workflows": ("list", "workflow"),
    "actions/workflows/{id}": ("object", "workflow"),
    "actions/runs": ("list", "workflow_run"),
    "actions/runs/{id}": ("object", "workflow_run"),
}
BELOW_ORGANIZATION = {
    "": ("object", "organization"),
    "installation": ("installation_of", None),
    "repos": ("list", "repository"),
    "teams": ("list", "team"),
    "teams/{slug}": ("object", "team"),
    "members": ("list", "member"),
}
ELSEWHERE = {
    "user": ("self", None),
    "user/orgs": ("list", "organization"),
    "user/repos": ("own_repositories", "repository"),
    "user/{user_id}/repos": ("list", "repository"),
    "users": ("list", "user"),
    "users/{username}": ("object", "user"),
    "users/{username}/repos": ("list", "repository"),
    "installation/repositories": ("installation_repositories", "repository"),
    "app": ("app", None),
    "app/installations": ("installations", None),
    "app/installations/{installation_id}": ("installation", None),
    "app/installations/{installation_id}/access_tokens": ("access_tokens", None),
    "rate_limit": ("rate_limit", None),
}
TEMPLATES: dict[str, tuple[str, str | None]] = {
    f"{prefix}/{rest}".strip("/"): target
    for prefixes, below in (
        (("repos/{owner}/{repo}", "repositories/{repository_id}"), BELOW_REPOSITORY),
        (("orgs/{org}", "organizations/{organization_id}"), BELOW_ORGANIZATION),
        (("",), ELSEWHERE),
    )
    for prefix in prefixes
    for rest, target in below.items()
}
ROOTS = tuple(sorted({template.partition("/")[0] for template in TEMPLATES}))

_BY_LENGTH: dict[int, list[list[str]]] = {}
for _template in TEMPLATES:
    _parts = _template.split("/")
    _BY_LENGTH.setdefault(len(_parts), []).append(_parts)


@dataclass(frozen=True, slots=True)
class Route:
    """kind: list, object, or one of the endpoints that stand alone.

    template: the path with `{…}` for what varies; given: the values of these.
    """

    kind: str
    template: str
    collection: str | None
    given: dict[str, str] = field(default_factory=dict)

    @property
    def last(self) -> str:
        """The value of the last placeholder, by which an object is asked for."""
        return list(self.given.values())[-1]


@lru_cache(maxsize=1 << 16)
def resolve(path: str) -> Route | None:
    """The route of a raw path, or None."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    at = {"repos": 3, "repositories": 2}.get(parts[0], len(parts))
    if parts[at : at + 1] == ["branches"] and len(parts) > at + 2:
        # The name of a branch may have slashes of its own.
        parts = [*parts[: at + 1], "/".join(parts[at + 1 :])]
    best: list[str] | None = None
    for pattern in _BY_LENGTH.get(len(parts), ()):
        fits = all(each == part or each.startswith("{") for each, part in zip(pattern, parts, strict=True))
        if fits and (best is None or _literal(pattern) > _literal(best)):
            best = pattern
    if best is None:
        return None
    template = "/".join(best)
    kind, collection = TEMPLATES[template]
    given = {each[1:-1]: part for each, part in zip(best, parts, strict=True) if each.startswith("{")}
    return Route(kind, "/" + template, collection, given)


def _literal(pattern: list[str]) -> tuple[bool, ...]:
    return tuple(not each.startswith("{") for each in pattern)
