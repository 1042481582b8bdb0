"""What the text and the headers of an HTTP answer say.

Belongs here: reading them. Not here: what is done about it (http.py), and what the documents mean (nobody in extract/).
"""

import json
import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import msgspec
import requests

_LONGEST_RETRY_AFTER = 366 * 24 * 3600.0


class Element(NamedTuple):
    """One element of a JSON array: its value, and its text exactly as the source wrote it."""

    value: Any
    text: str


def array_elements(text: str, *path: str) -> list[Element]:
    """The elements of the array that stands at `path` in the JSON object `text`, each verbatim.

    Raises `ValueError` where `text` is not JSON, or has no array there.
    """
    try:
        found = msgspec.Raw(text.encode())
        for name in path:
            found = msgspec.json.decode(found, type=dict[str, msgspec.Raw])[name]
        elements = [bytes(element).decode() for element in msgspec.json.decode(found, type=list[msgspec.Raw])]
        return [Element(json.loads(element), element) for element in elements]
    except (KeyError, msgspec.ValidationError) as error:
        raise ValueError(f"the answer has no array {'.'.join(path)}") from error
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error
    except msgspec.DecodeError as error:
        return _elements_rewritten(text, path, error)


def _elements_rewritten(text: str, path: tuple[str, ...], error: Exception) -> list[Element]:
    """The same for the rare text that Python reads and msgspec does not, such as half of a surrogate pair.

    The values are kept, but not the source's spaces and number formats. Raises `error` where nobody can read it.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise error from None
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, list):
        raise ValueError(f"the answer has no array {'.'.join(path)}")
    return [Element(value, json.dumps(value)) for value in found]


def read_error(body: str) -> tuple[str, str | None, bool]:
    """An error's message, its reason (or None), and whether `body` is a JSON object.

    Reads every shape that the services are known to use.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return " ".join(body.split())[:300] or "no reason given", None, False
    error = document.get("error")
    if isinstance(error, dict):
        return str(error.get("message") or "no reason given"), error.get("reason"), True
    return str(document.get("error_description") or error or "no reason given"), None, True


def retry_after(response: requests.Response) -> float | None:
    """Seconds from now until the time in Retry-After (a number or a date); None where it is absent or unreadable."""
    text = response.headers.get("Retry-After", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            # Measured by the server's own clock, where it tells it.
            date = response.headers.get("Date")
            present = parsedate_to_datetime(date) if date else datetime.now(UTC)
            seconds = (parsedate_to_datetime(text) - present).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER) if math.isfinite(seconds) else None
