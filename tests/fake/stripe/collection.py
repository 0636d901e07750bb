"""One list of the API: how it is found, filtered and shown, and which events tell of its objects."""

from __future__ import annotations

from dataclasses import dataclass

PAGING = {"limit": "int", "starting_after": "str", "ending_before": "str", "expand": "list"}
BOOLEANS = {
    "active",
    "archived",
    "attach_to_self",
    "expired",
    "inclusive",
    "pending",
    "scheduled",
    "shippable",
    "is_default",
    "enabled",
    "is_account_default",
    "delivery_success",
}
RANGES = {
    "created",
    "due_date",
    "current_period_end",
    "current_period_start",
    "canceled_at",
    "completed_at",
    "released_at",
    "arrival_date",
    "amount",
    "transacted_at",
    "effective_at",
}
LISTS = {"ids", "lookup_keys", "types"}
HASHES = {
    "account_holder",
    "transaction_refresh",
    "status_transitions",
    "linked_flows",
    "preferences",
    "recurring",
    "customer_details",
    "automatic_tax",
    "owner",
    "relationship",
    "scope",
}


@dataclass(frozen=True, slots=True)
class Collection:
    """One list of the API.

    filters: query parameter → kind (str, bool, range, list, hash); `required` ones must be given.
    parent: the collection above it; by: the filter that names the parent, None if the path does.
    embedded: the parent's field that shows the first ten.
    events: what happened (created, updated, deleted, or a new status) → event type. A change without an entry
    happens without an event, as it does at Stripe.
    deletable: objects can go away.
    """

    name: str
    path: str
    object: str
    prefix: str
    count: int
    filters: dict[str, str]
    required: frozenset[str]
    events: dict[str, str]
    parent: str | None
    by: str | None
    embedded: str | None
    deletable: bool
    retrievable: bool

    @property
    def parts(self) -> list[str]:
        return self.path.split("/")


def _kind(name: str) -> str:
    for names, kind in ((BOOLEANS, "bool"), (RANGES, "range"), (LISTS, "list"), (HASHES, "hash")):
        if name in names:
            return kind
    return "str"


def _events(spec: str) -> dict[str, str]:
    """`invoice:created,updated,void>voided` → {created: invoice.created, …, void: invoice.voided}."""
    if not spec:
        return {}
    subject, _, verbs = spec.partition(":")
    events = {}
    for verb in verbs.split(","):
        status, _, name = verb.partition(">")
        events[status] = f"{subject}.{name or status}"
    return events


def collection(
    name: str,
    path: str,
    prefix: str,
    count: int,
    filters: str = "",
    events: str = "",
    *,
    object: str | None = None,
    parent: str | None = None,
    by: str | None = None,
    embedded: str | None = None,
    deletable: bool = False,
    retrievable: bool = True,
) -> Collection:
    kinds = {each: _kind(each) for each in filters.split()}
    parsed = _events(events)
    return Collection(
        name,
        path,
        object or name,
        prefix,
        count,
        {**kinds, by: "str"} if by else kinds,
        frozenset([by] if by else ()),
        parsed,
        parent,
        by,
        embedded,
        deletable or "deleted" in parsed,
        retrievable,
    )


def treasury(name: str, prefix: str, filters: str, verbs: str) -> Collection:
    """A list of what flows through a financial account, which its requests have to name."""
    object = f"treasury.{name}"
    plural = f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"
    return collection(
        f"treasury_{name}",
        f"treasury/{plural}",
        prefix,
        3,
        filters,
        f"{object}:{verbs}" if verbs else "",
        object=object,
        parent="treasury_financial_account",
        by="financial_account",
    )


def event_of(collection: Collection, change: str, status: str | None) -> str | None:
    """The type of the event for `change` (created, updated, deleted, status), or None if there is none."""
    events = collection.events
    if change == "status":
        return events.get(status or "") or events.get("updated")
    if change == "created":
        return events.get("created") or events.get(status or "")
    return events.get(change)
