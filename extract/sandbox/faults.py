"""What can go wrong with the sandbox, on demand.

Belongs here: the faults, and which of them a request meets. Not here: how a fault changes an answer (server.py).
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong: after `after` requests to `endpoint` (None: any), for the next `times` of them.

    `service` (spotify, reccobeats or accounts; None: any) tells endpoints of one name apart.

    `status`, `headers` and `body` replace the answer, `edit` changes its document, `delay` holds it back for that many
    seconds, `cut` breaks it off half-way (the connection with it, or only the text), `revoke_tokens` makes every
    token unknown, and `grow` puts an artist at the head of a genre's search after the answer.
    """

    endpoint: str | None = None
    after: int = 0
    times: int = 1
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    edit: Callable[[Any], Any] | None = None
    delay: float = 0.0
    cut: Literal["connection", "text"] | None = None
    revoke_tokens: bool = False
    grow: bool = False
    service: str | None = None


_QUOTA = '{"error":{"status":429,"message":"Too many requests","reason":"QUOTA_EXCEEDED"}}'

FAULTS: Mapping[str, Fault] = {
    "throttled": Fault(status=429, headers={"Retry-After": "2"}, times=3),
    "throttled for long": Fault(status=429, headers={"Retry-After": "81654"}),
    "quota": Fault(status=429, headers={"Retry-After": "81654"}, body=_QUOTA, times=1_000_000),
    "gone": Fault(endpoint="audio-features", service="spotify", status=404, times=1_000_000),
    "unavailable": Fault(status=503, times=3),
    "slow": Fault(delay=60.0),
    "broken connection": Fault(cut="connection", times=3),
    "truncated": Fault(cut="text", times=3),
    "not json": Fault(status=200, body="<html>Log in to the network</html>", times=3),
    "premium lapsed": Fault(
        status=403, body="Active premium subscription required for the owner of the app.", times=1_000_000
    ),
    "token expired": Fault(revoke_tokens=True),
    "growing page": Fault(endpoint="search artists", grow=True, times=3),
}
"""Faults by name, for the command line."""


class Faults:
    """The faults that are in force; each counts the requests it could meet from when it was added."""

    def __init__(self) -> None:
        self._faults: list[tuple[Fault, Counter[str]]] = []

    def __len__(self) -> int:
        return len(self._faults)

    def add(self, *faults: Fault) -> None:
        """Add faults. Where several apply to a request, the first does."""
        self._faults += [(fault, Counter()) for fault in faults]

    def clear(self) -> None:
        """Take all faults away."""
        self._faults = []

    def meet(self, service: str, endpoint: str) -> Fault:
        """The fault that a request to this endpoint meets, or one without any effect."""
        found = Fault()
        for fault, counts in self._faults:
            if fault.endpoint not in (None, endpoint) or fault.service not in (None, service):
                continue
            counts["met"] += 1
            if fault.after < counts["met"] <= fault.after + fault.times and found == Fault():
                found = fault
        return found


def read_fault(text: bytes) -> Fault:
    """A fault from JSON: an object with `Fault`'s fields, or with the `name` of one of `FAULTS` and changes to it.

    Raises `ValueError`, which says what is wrong.
    """
    try:
        wanted = json.loads(text)
        name = wanted.pop("name", None)
        known = {item.name for item in fields(Fault)} - {"edit"}
        if unknown := set(wanted) - known:
            raise ValueError(f"a fault has no {sorted(unknown)[0]!r}; it has: {', '.join(sorted(known))}")
        return replace(FAULTS[name], **wanted) if name else Fault(**wanted)
    except KeyError as error:
        raise ValueError(f"no fault is called {error}; there are: {', '.join(FAULTS)}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"give a fault as a JSON object: {error}") from error
