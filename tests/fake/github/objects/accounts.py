"""Users, organizations, and who belongs to what."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

from .maker import API, WEB, Maker, node_id

if TYPE_CHECKING:
    from ..hub import Hub

# fmt: off
# Objects read best in paragraphs; the formatter would give every member a line.
LOGINS = ("ada", "bjorn", "chloe", "dmitri", "fatima", "gonul", "hana", "joao", "kwame", "li", "oscar")


def short(id: int, login: str, kind: str = "User") -> dict[str, Any]:
    """An account as others' objects show it."""
    url = f"{API}/users/{login}"
    return {
        "login": login, "id": id, "node_id": node_id("U" if kind == "User" else "O", id),
        "avatar_url": f"https://avatars.githubusercontent.com/u/{id}?v=4", "gravatar_id": "", "url": url,
        "html_url": f"{WEB}/{login}", "followers_url": f"{url}/followers",
        "following_url": f"{url}/following{{/other_user}}", "gists_url": f"{url}/gists{{/gist_id}}",
        "starred_url": f"{url}/starred{{/owner}}{{/repo}}", "subscriptions_url": f"{url}/subscriptions",
        "organizations_url": f"{url}/orgs", "repos_url": f"{url}/repos",
        "events_url": f"{url}/events{{/privacy}}", "received_events_url": f"{url}/received_events",
        "type": kind, "user_view_type": "public", "site_admin": False,
    }


def user(m: Maker) -> dict[str, Any]:
    return short(m.id, m.data.get("login") or f"{m.pick(LOGINS)}-{m.id}")


def organization(m: Maker) -> dict[str, Any]:
    login = m.data.get("login") or f"org-{m.id}"
    url = f"{API}/orgs/{login}"
    return {
        "login": login, "id": m.id, "node_id": m.node("O"), "url": url, "repos_url": f"{url}/repos",
        "events_url": f"{url}/events", "hooks_url": f"{url}/hooks", "issues_url": f"{url}/issues",
        "members_url": f"{url}/members{{/member}}", "public_members_url": f"{url}/public_members{{/member}}",
        "avatar_url": f"https://avatars.githubusercontent.com/u/{m.id}?v=4", "description": m.words(),
    }


def team(m: Maker) -> dict[str, Any]:
    name = m.data.get("name") or f"{m.words(1)} {m.id}"
    # "My TEam Näme" is documented to become "my-team-name".
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    slug = "-".join(plain.lower().split()) or f"team-{m.id}"
    url = f"{API}/organizations/{m.parent['id']}/team/{m.id}"
    return {
        "name": name, "id": m.id, "node_id": m.node("T"), "slug": slug, "description": m.words(),
        "privacy": "closed", "notification_setting": "notifications_enabled", "url": url,
        "html_url": f"{WEB}/orgs/{m.parent['login']}/teams/{slug}",
        "members_url": f"{url}/members{{/member}}", "repositories_url": f"{url}/repos",
        "type": "organization", "organization_id": m.parent["id"],
        "permission": "pull", "parent": None,
    }


def _newcomer(m: Maker, collection: str) -> dict[str, Any]:
    """The user whose login `data` gives, or one who is not below the parent yet."""
    if "login" in m.data:
        return m.hub.user(m.data["login"])
    taken = {item.id.rpartition("/")[2] for item in m.hub.stores[collection].children(str(m.parent["id"]))}
    free = [item for item in m.hub.stores["user"].items if item.id not in taken]
    return m.pick(free).document() if free else m.hub.make_user()


def member(m: Maker) -> dict[str, Any]:
    return _newcomer(m, "member")


def collaborator(m: Maker) -> dict[str, Any]:
    roles = ("pull", "triage", "push", "maintain", "admin")
    role = m.number(len(roles))
    names = ("read", "triage", "write", "maintain", "admin")
    return {
        **_newcomer(m, "collaborator"), "permissions": {name: at <= role for at, name in enumerate(roles)},
        "role_name": names[role],
    }


def stargazer(m: Maker) -> dict[str, Any]:
    """As the media type `star` shows it; without that, the list shows the user alone."""
    return {"starred_at": m.when, "user": _newcomer(m, "stargazer")}


def alone_user(hub: Hub, document: dict[str, Any]) -> dict[str, Any]:
    return {
        **document, "name": document["login"].title(), "company": None, "blog": "", "location": None,
        "email": None, "hireable": None, "bio": None, "public_repos": 0, "public_gists": 0, "followers": 0,
        "following": 0, "created_at": "2012-05-06T07:08:09Z", "updated_at": "2020-01-02T03:04:05Z",
    }


def alone_organization(hub: Hub, document: dict[str, Any]) -> dict[str, Any]:
    return {
        **document, "html_url": f"{WEB}/{document['login']}", "has_organization_projects": True,
        "has_repository_projects": True, "public_repos": 0, "public_gists": 0, "followers": 0, "following": 0,
        "type": "Organization", "created_at": "2012-05-06T07:08:09Z", "updated_at": "2020-01-02T03:04:05Z",
        "archived_at": None,
    }


def alone_team(hub: Hub, document: dict[str, Any]) -> dict[str, Any]:
    login = document["html_url"].split("/")[-3]
    organization = short(document["organization_id"], login, "Organization")
    return {
        **document, "created_at": "2012-05-06T07:08:09Z", "updated_at": "2020-01-02T03:04:05Z",
        "members_count": 0, "repos_count": 0, "organization": alone_organization(hub, {
            **organization, "hooks_url": f"{API}/orgs/{login}/hooks", "description": None,
            "issues_url": f"{API}/orgs/{login}/issues",
            "members_url": f"{API}/orgs/{login}/members{{/member}}",
            "public_members_url": f"{API}/orgs/{login}/public_members{{/member}}",
        }),
    }
