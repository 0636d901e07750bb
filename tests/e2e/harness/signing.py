"""A key pair, and the tokens that are signed with it."""

import base64
import json
import subprocess
import time
from pathlib import Path
from typing import Any

APP = 77
"""Who signs, unless a test says otherwise."""


class Key:
    """An RSA key pair, made by openssl."""

    def __init__(self, folder: Path, name: str = "key") -> None:
        self.file = folder / f"{name}.pem"
        options = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(self.file)]
        subprocess.run(["openssl", "genpkey", *options], check=True, capture_output=True)
        show = ["openssl", "pkey", "-in", str(self.file), "-pubout"]
        self.public = subprocess.run(show, check=True, capture_output=True, text=True).stdout

    def token(self, head: dict[str, Any] | None = None, **claims: Any) -> str:
        """A signed token; times are seconds from now, and a claim that is None is left out."""
        given = {"iat": -30, "exp": 300, "iss": APP, **claims}
        for name in ("iat", "exp"):
            if isinstance(given[name], int):
                given[name] += int(time.time())
        body = {name: value for name, value in given.items() if value is not None}
        parts = [
            encoded(json.dumps(each).encode()) for each in (head or {"alg": "RS256", "typ": "JWT"}, body)
        ]
        text = ".".join(parts)
        sign = ["openssl", "dgst", "-sha256", "-sign", str(self.file)]
        signature = subprocess.run(sign, input=text.encode(), check=True, capture_output=True).stdout
        return f"{text}.{encoded(signature)}"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
