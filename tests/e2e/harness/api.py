"""An API of a test's own, for what no real API would say."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from psycopg.types.json import Jsonb

from .database import Database


@dataclass(frozen=True)
class Asked:
    """One request. `target` is as it was sent; header names are in lower case."""

    target: str
    headers: dict[str, str]

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


@dataclass(frozen=True)
class Answer:
    """`body` is sent as JSON unless it is bytes."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Api:
    """Answers every request with what `answer` makes of it."""

    def __init__(self, answer: Callable[[Asked], Answer]) -> None:
        self.asked: list[Asked] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                asked = Asked(self.path, {name.lower(): value for name, value in self.headers.items()})
                api.asked.append(asked)
                made = answer(asked)
                body = made.body if isinstance(made.body, bytes) else json.dumps(made.body).encode()
                self.send_response(made.status)
                for name, value in made.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """`asked` has it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = "http://{}:{}".format(*self._server.server_address)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def declaration(pagination: dict[str, Any], **collection: Any) -> dict[str, Any]:
    """Of an API with one collection, `things` at /things, which is swept and not polled."""
    return {
        "provider": "test",
        "title": "Test",
        "documentation": "https://example.com",
        "base_url": "https://api.example.com",
        "authentication": [{"kind": "api_key", "secrets": ["key"], "headers": {"X-Api-Key": "{key}"}}],
        "rate_limit": {"allowed_requests": 1000, "interval": 1},
        "errors": {
            "message": "/error",
            "rules": [
                {"status": [404], "class": "missing"},
                {"status": ["4xx"], "class": "bad_request"},
                {"status": ["5xx"], "class": "transient"},
            ],
        },
        "pagination": pagination,
        "record": {"id": "/id"},
        "collections": [
            {"name": "thing", "title": "Things", "path": "/things", "changes": {"sweep": 86400}, **collection}
        ],
    }


def sync_api(database: Database, api: Api, spec: dict[str, Any], key: str = "k3y") -> None:
    """Registers the declaration, and starts a sync "main" of its things into a stream "main"."""
    database.sql("SELECT sequin.register_provider(%s)", Jsonb(spec))
    database.sql("SELECT sequin.create_stream('main')")
    properties = {"kind": "api_key", "key": key, "base_url": api.url}
    database.sql("SELECT sequin.create_credential('key', 'test', %s)", Jsonb(properties))
    database.sql("SELECT sequin.create_sync('main', 'main', 'key', '{thing}')")
