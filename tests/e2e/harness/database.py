"""One database of a test cluster."""

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import namedtuple_row

if TYPE_CHECKING:
    from .cluster import Cluster


class Database:
    """Statements against one database, over one connection that is opened on first use and after a crash."""

    def __init__(self, cluster: "Cluster", name: str) -> None:
        self.cluster = cluster
        self.name = name
        self._connection: psycopg.Connection | None = None

    def connect(self) -> psycopg.Connection:
        """A connection of the caller's own, in autocommit mode."""
        return self.cluster.connect(self.name)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def drop(self) -> None:
        self.close()
        self.cluster.sql(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')

    def sql(self, query: str, *params: object) -> list[Any]:
        """Runs one statement and commits it; returns its rows, with columns by name and by position."""
        if self._connection is None or self._connection.closed or not self._is_alive():
            self._connection = self.connect()
        try:
            cursor = self._connection.cursor(row_factory=namedtuple_row)
            cursor.execute(query, params or None)
            return cursor.fetchall() if cursor.description else []
        except psycopg.OperationalError:
            self.close()
            raise

    def _is_alive(self) -> bool:
        """Whether the server still has this end of the connection: it may have been restarted since."""
        try:
            self._connection.execute("SELECT 1")
        except psycopg.OperationalError:
            self.close()
            return False
        return True

    def value(self, query: str, *params: object) -> Any:
        """The first column of the first row."""
        return self.sql(query, *params)[0][0]

    def status(self) -> str:
        """What `sequin.status` and `sequin.backfill_progress` say, for a failure's message."""
        lines: list[str] = []
        for view in ("status", "backfill_progress", "rejected_records"):
            try:
                rows = self.sql(f"SELECT to_jsonb(v)::text FROM sequin.{view} v LIMIT 60")
                lines += [f"sequin.{view}:"] + [f"  {row[0]}" for row in rows]
            except psycopg.Error as error:
                lines.append(f"sequin.{view}: {error}")
        return "\n".join(lines)
