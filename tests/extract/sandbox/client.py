"""A client of the sandbox that is none of ours, for tests of what it answers."""

from typing import Any

import requests

from extract.sandbox.server import CLIENT_ID, CLIENT_SECRET, SandboxServer
from tests.conftest import PATIENCE


class Client:
    """A browser's view of a sandbox: `get` gives an answer's status and JSON (or text)."""

    def __init__(self, sandbox: SandboxServer) -> None:
        self.session = requests.Session()
        self.session.trust_env = False
        self.address = sandbox.address

    def token(self, secret: str = CLIENT_SECRET) -> requests.Response:
        form = {"grant_type": "client_credentials"}
        return self.session.post(f"{self.address}/api/token", data=form, auth=(CLIENT_ID, secret), timeout=PATIENCE)

    def sign_in(self) -> "Client":
        self.session.headers["Authorization"] = "Bearer " + self.token().json()["access_token"]
        return self

    def get(self, path: str, **parameters: Any) -> tuple[int, Any]:
        answer = self.session.get(f"{self.address}{path}", params=parameters, timeout=PATIENCE)
        is_json = answer.headers["Content-Type"].startswith("application/json")
        return answer.status_code, answer.json() if is_json else answer.text
