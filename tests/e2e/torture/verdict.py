"""At rest: the stream is what the upstream says, everybody was told, and no promise was broken on the way."""

import json
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import psycopg
from harness import Database, Upstream, eventually
from harness.clients import drain, judge
from harness.sync import Sync

from .layout import POLLED, SWEPT, parent_places
from .operator import await_demanded, wait_for_syncs
from .readers import BATCH, BATCH_OF_SOME, EXACTLY_ONCE, Follower
from .world import World
from .writers import Writer, come_to_rest, judge_mutations


def converge(world: World, patience: float) -> None:
    """Until each way of noticing changes has brought what it is to bring, each by itself."""
    try:
        wait_for_syncs(world, patience)
        come_to_rest(world.database(), patience)
        # What polls and sweeps notice is minutes and hours away; all else has to arrive by itself.
        _equal(world, lambda collection: collection not in (*POLLED, *SWEPT), patience)
        for way, not_yet in (("poll", SWEPT), ("sweep", ())):
            if converged(world):
                await_demanded(world, way, 45)
                _equal(world, lambda collection, not_yet=not_yet: collection not in not_yet, 15)
    except (AssertionError, psycopg.Error):
        world.problems.append(f"{traceback.format_exc()}{world.database().status()}")


def _equal(world: World, wanted: Callable[[str], bool], patience: float) -> None:
    for sync in world.syncs.values():
        collections = [each for each in sync.collections if wanted(each)]
        part = Sync(sync.database, sync.upstream, sync.name, sync.stream, collections)
        try:
            part.converge(patience)
        except AssertionError as error:
            world.problems.append(f"sync {sync.name} does not converge: {error}")
            world.problems.extend(evidence(world, part))
            return


def evidence(world: World, sync: Sync) -> Iterable[str]:
    """Of the first collection that differs, the first object that does, and all that is known of it."""
    for collection in sync.collections:
        truth, rows, live = sync.upstream.objects(collection), sync.records(collection), sync.live(collection)
        apart = truth.keys() ^ live.keys()
        keys = apart | {key for key in truth.keys() & live.keys() if not sync.alike(truth[key], live[key])}
        if not keys:
            continue
        key = min(keys)
        row, now = rows.get(key), truth.get(key)
        then, said = live.get(key, {}), now or {}
        members = sorted(
            name for name in then | said if not sync.alike(_member(said, name), _member(then, name))
        )
        yield f"the first that differs, {collection} {key}, in {members}:"
        yield f"  upstream {json.dumps(now, ensure_ascii=False)}"
        if row is None:
            yield "  stored   nothing"
        else:
            yield (
                f"  stored   at {row.updated_idx}, observed {world.moment(row.observed_at.timestamp())}, "
                f"deleted {row.deleted}: {json.dumps(row.data, ensure_ascii=False)}"
            )
        yield from _history(world, sync, collection, key)
        of_stripe = sync.upstream.provider == "stripe"
        parent = row.parent_id if row else _parent(collection, now or {}) if of_stripe else None
        if of_stripe:
            yield from _events(world, sync.upstream, key, parent)
        yield from _requests(world, sync.upstream, key, parent)
        return


def _member(whole: dict[str, Any], name: str) -> dict[str, Any]:
    return {name: whole[name]} if name in whole else {}


def _parent(collection: str, upstream: dict[str, Any]) -> str | None:
    """The id of the parent, where an object says it."""
    place = parent_places().get(collection)
    return upstream.get(place) if place else None


def _history(world: World, sync: Sync, collection: str, key: str) -> Iterable[str]:
    yield "  versions that were stored: position, observed, stored, deleted"
    for each in sync.database.sql(
        """SELECT * FROM public.history WHERE collection_id = %s AND upstream_id = %s
           ORDER BY position DESC LIMIT 12""",
        f"{sync.upstream.declared}:{collection}",
        key,
    ):
        observed, stored = (world.moment(at.timestamp()) for at in (each.observed_at, each.stored_at))
        yield f"    {each.position} {observed} {stored} {each.deleted} sync {each.sync_id}"


def _events(world: World, upstream: Upstream, key: str, parent: str | None) -> Iterable[str]:
    yield "  its last events: created, type, id"
    own = [each for each in upstream.events() if each["data"]["object"].get("id") in (key, parent)]
    for each in own[-12:]:
        yield f"    {world.moment(each['created'])} {each['type']} {each['id']}"


def _requests(world: World, upstream: Upstream, key: str, parent: str | None) -> Iterable[str]:
    yield "  the last requests for it: received, answered, status, credential, path, faults"
    for each in upstream.requests(f"{key}|{parent}" if parent else key)[-12:]:
        answered = "never" if each.answered is None else world.moment(each.answered)
        yield (
            f"    {world.moment(each.received)} {answered} {each.status} {each.credential} "
            f"{each.path}?{each.query} {[world.faults.get(rule) for rule in each.rules]}"
        )


def converged(world: World) -> bool:
    return not world.problems and not world.clients.problems


def judge_all(world: World, follower: Follower, writers: Sequence[Writer] = ()) -> None:
    """Everything but the convergence; where that failed, only what has to be so at any time."""
    at_rest = converged(world)
    database = world.database()
    checks = [_records, _versions, _order]
    if writers:
        checks.append(lambda *at: judge_mutations(*at, list(writers)))
    if at_rest:
        checks += [_consumers, _processors, _health]
    try:
        for check in checks:
            try:
                world.problems.extend(check(world, database))
            except psycopg.Error:
                # Most likely it is another problem's consequence, and must not hide it.
                world.problems.append(traceback.format_exc())
        if at_rest:
            world.problems.extend(_followed(database, follower))
    finally:
        database.close()
    world.problems.extend(world.upstream.overspent())
    world.problems.extend(world.clients.problems)


def _records(world: World, database: Database) -> Iterable[str]:
    """Each record once, at a position of its own; what is rejected is what was odd."""
    [(records, positions, keys)] = database.sql(
        """SELECT count(*) AS records, count(DISTINCT (stream_id, updated_idx)) AS positions,
                  count(DISTINCT (stream_id, sync_id, collection_id, upstream_id)) AS keys
           FROM sequin.records"""
    )
    if not records == positions == keys:
        yield f"promise 1: {records} records, {keys} of them distinct, at {positions} positions"
    for row in database.sql(
        """SELECT collection_id, upstream_id, reason FROM sequin.rejected_records AS r
           WHERE upstream_id IN (SELECT upstream_id FROM sequin.records AS s
                                 WHERE s.sync_id = r.sync_id AND s.collection_id = r.collection_id)"""
    ):
        yield f"promise 2: {row.collection_id} {row.upstream_id} is stored and rejected: {row.reason}"


def _versions(world: World, database: Database) -> Iterable[str]:
    for column, broken in (
        ("vain", "promise 4: a version like the one before"),
        ("stale", "promise 3: a version observed before the one that it replaced"),
    ):
        rows = database.sql(f"SELECT * FROM public.history WHERE {column} ORDER BY position")
        if rows:
            first = rows[0]
            yield (
                f"{broken}, {len(rows)} times, first {first.collection_id} {first.upstream_id} "
                f"at {first.position}, stored {world.moment(first.stored_at.timestamp())}"
            )
    changed = database.sql(
        """SELECT sync_id, collection_id, upstream_id, count(DISTINCT record_id) FROM public.history
           GROUP BY 1, 2, 3 HAVING count(DISTINCT record_id) > 1"""
    )
    if changed:
        yield f"promise 1: {len(changed)} records changed their id, such as {changed[0]}"


def _order(world: World, database: Database) -> Iterable[str]:
    """Positions grow in the order in which transactions committed."""
    # By the time and not by the transaction's id: a subtransaction has an id of its own.
    rows = database.sql(
        """SELECT * FROM (
               SELECT stream_id, first, committed,
                      max(last) OVER (PARTITION BY stream_id ORDER BY committed
                                      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
               FROM (SELECT stream_id, min(position) AS first, max(position) AS last,
                            pg_xact_commit_timestamp(xmin) AS committed
                     FROM public.history
                     GROUP BY stream_id, pg_xact_commit_timestamp(xmin)) AS transactions
           ) AS in_order WHERE first < before ORDER BY committed"""
    )
    if rows:
        yield (
            f"promise 1: {len(rows)} transactions committed positions behind earlier ones, "
            f"first {rows[0].first} after {rows[0].before} at {world.moment(rows[0].committed.timestamp())}"
        )


def _finals(database: Database) -> list[tuple[str, str | None, str, int]]:
    """Of what is in the stream: record id, name of the sync (None: deleted), collection, position."""
    return database.sql(
        """SELECT r.id::text, y.name, r.collection_id, r.updated_idx FROM sequin.records AS r
           JOIN sequin.streams AS s ON s.id = r.stream_id AND s.name = 'main'
           LEFT JOIN sequin.syncs AS y ON y.id = r.sync_id"""
    )


def _consumers(world: World, database: Database) -> Iterable[str]:
    """Promise 5, of those who acknowledge."""
    with database.connect() as connection:
        try:
            drain(connection, [*world.consumers, EXACTLY_ONCE], world.clients)
        except AssertionError as error:
            yield f"promise 5: consumers don't come to rest: {error}"
            return
    finals = _finals(database)
    due = {
        name: {
            record: position
            for record, sync, collection, position in finals
            if consumer.wants(sync, collection)
        }
        for name, consumer in world.consumers.items()
    }
    yield from judge(world.clients, due)


def _processors(world: World, database: Database) -> Iterable[str]:
    """Those who write what they get in the same transaction: each version once, the final one among them."""
    for consumer in (EXACTLY_ONCE, BATCH, BATCH_OF_SOME):
        twice = database.sql(
            """SELECT record, position, count(*) FROM public.processed WHERE consumer = %s
               GROUP BY 1, 2 HAVING count(*) > 1""",
            consumer,
        )
        if twice:
            yield f"promise 5: {consumer} processed {len(twice)} versions more than once, such as {twice[0]}"
        # What was left for the last fetch belongs to the end.
        if consumer != EXACTLY_ONCE:
            database.sql(
                """INSERT INTO public.processed (consumer, position, record)
                   SELECT %s, updated_idx, record ->> 'id' FROM sequin.fetch(%s, 10000)""",
                consumer,
                consumer,
            )
            behind = database.sql(
                """SELECT n, position FROM (
                       SELECT n, position, max(position) OVER (ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING
                                                               AND 1 PRECEDING) AS before
                       FROM public.processed WHERE consumer = %s) AS p WHERE position <= before""",
                consumer,
            )
            if behind:
                yield f"promise 1: {consumer} fetched {len(behind)} positions behind others: {behind[0]}"
        wants = world.consumers["some"].wants if consumer == BATCH_OF_SOME else lambda *_: True
        got = set(
            database.sql(
                """SELECT record, position FROM public.processed WHERE consumer = %s
                   UNION SELECT unnest(%s::text[]), unnest(%s::bigint[])""",
                consumer,
                *_drained(world, consumer),
            )
        )
        missing = [
            (record, position)
            for record, sync, collection, position in _finals(database)
            if wants(sync, collection) and (record, position) not in got
        ]
        if missing:
            yield f"promise 5: {consumer} missed {len(missing)} final versions, such as {missing[0]}"


def _drained(world: World, consumer: str) -> tuple[list[str], list[int]]:
    """What was left of a consumer when the others had come to their end."""
    own = [each for each in world.clients.deliveries if each.consumer == consumer]
    return [each.record for each in own], [each.position for each in own]


def _followed(database: Database, follower: Follower) -> Iterable[str]:
    missed = [
        (record, position)
        for record, _, _, position in _finals(database)
        if follower.seen.get(position) != record
    ]
    if missed:
        yield f"promise 1: the follower never saw {len(missed)} final versions, such as {missed[0]}"


def _health(world: World, database: Database) -> Iterable[str]:
    """What is said of a sync agrees with how it is."""
    query = "SELECT sync, collection_id, health, error FROM sequin.sync_collections WHERE health <> 'healthy'"
    try:
        eventually(lambda: not database.sql(query), 10)
    except AssertionError:
        yield f"all is well, and these are said to be ill: {database.sql(query)}"
