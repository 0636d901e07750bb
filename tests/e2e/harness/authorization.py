"""Authorization servers: the fake one, and one that nobody of this project wrote."""

import base64
import json
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

from .fake import Fake, Request

TESTS = Path(__file__).resolve().parents[2]
DECLARATION = json.loads((TESTS / "fake" / "oauth" / "declaration.json").read_text())
PRIVATE_KEY = (TESTS.parent / "crates" / "provider" / "tests" / "signing_key.pem").read_text()
# Where in such a key, an RSA key of 2048 bits in PKCS #8, its modulus stands.
MODULUS = slice(38, 38 + 256)

# Its user may be asked about with the tokens that it has given, and no others: it asks for none itself.
MOCK = """
import { OAuth2Server } from "oauth2-mock-server";
const server = new OAuth2Server();
await server.issuer.keys.generate("RS256");
const given = new Set();
server.service.on("beforeResponse", (answer) => given.add(answer.body.access_token));
server.service.on("beforeUserinfo", (answer, request) => {
    const token = (request.headers.authorization ?? "").replace(/^Bearer /, "");
    if (!given.has(token)) answer.statusCode = 401;
});
await server.start(0, "127.0.0.1");
console.log(server.address().port);
"""


class Authority:
    """The fake's authorization server, and the API behind it, in a fake of its own."""

    def __init__(self) -> None:
        self.fake = Fake("--empty", "--no-limits", "--oauth")
        self.url = self.fake.providers["oauth"]["base_url"]

    def configure(self, **settings: Any) -> dict[str, Any]:
        return self.fake.control("POST", "settings", {"provider": "oauth", **settings})

    def trust_key(self) -> None:
        """From now on it believes what is signed with PRIVATE_KEY."""
        body = "".join(line for line in PRIVATE_KEY.splitlines() if not line.startswith("-----"))
        self.configure(public_key=base64.b64decode(body)[MODULUS].hex())

    def granted(self) -> int:
        """How many tokens it has given."""
        return self.configure()["granted"]

    def fault(self, action: str, path: str, *, times: int = 1, **options: Any) -> None:
        match = {"provider": "oauth", "path": path, "times": times}
        self.fake.control("POST", "faults", {"match": match, "action": {"type": action, **options}})

    def requests(self, path: str) -> list[Request]:
        found = self.fake.control("GET", "requests", limit=100_000, path=path)["requests"]
        fields = Request.__dataclass_fields__
        return [Request(**{name: entry[name] for name in fields if name in entry}) for entry in found]

    def stop(self) -> None:
        self.fake.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class MockServer:
    """oauth2-mock-server (npm): it checks PKCE, and signs its tokens."""

    def __init__(self) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        node = shutil.which("node")
        assert node, "node is missing: run scripts/setup.sh"
        self._process = subprocess.Popen(
            [node, "--input-type=module", "-e", MOCK],
            cwd=TESTS, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log,
        )  # fmt: skip
        assert self._process.stdout
        port = self._process.stdout.readline().strip()
        if not port.isdigit():
            self.stop()
            raise AssertionError("oauth2-mock-server did not start; has scripts/setup.sh been run?")
        self.url = f"http://127.0.0.1:{int(port)}"

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def authorize(url: str) -> dict[str, str]:
    """What a user's browser brings back from `url`, who says yes to everything."""
    try:
        urllib.request.build_opener(_Stay).open(url, timeout=20)
    except urllib.error.HTTPError as answer:
        back = urllib.parse.urlsplit(answer.headers.get("Location", ""))
        if back.query:
            return dict(urllib.parse.parse_qsl(back.query))
        raise AssertionError(f"{answer.code}: {answer.read().decode(errors='replace')}") from None
    raise AssertionError("the user was not sent back")
