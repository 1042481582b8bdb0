"""What the project brings with it: no secret among its files, and no package under a licence that it could not ship."""

import re
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from tests.conftest import ROOT

SECRETS = {
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
    "a key of Amazon's": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a token of GitHub's": r"\b(?:gh[pousr]_[0-9A-Za-z]{36}|github_pat_[0-9A-Za-z_]{60,})",
    "a token of GitLab's": r"\bglpat-[0-9A-Za-z_-]{20}",
    "a token of PyPI's": r"\bpypi-[0-9A-Za-z_-]{60,}",
    "a token of Slack's": r"\bxox[abprs]-[0-9A-Za-z-]{10,}",
    "a key of Google's": r"\bAIza[0-9A-Za-z_-]{35}\b",
    "a JSON web token": r"\beyJ[0-9A-Za-z_-]{16,}\.eyJ[0-9A-Za-z_-]{16,}\.[0-9A-Za-z_-]{16,}",
    "a header with credentials": r"\b(?:Bearer|Basic) [0-9A-Za-z+/_=-]{32,}",
    "a password in an address": r"[a-z]+://[^/\s:@'\"{}$<]+:[^/\s:@'\"{}$<]+@[a-z0-9.-]+\.[a-z]{2,}",
    "Spotify's client id or secret": r"(?i)client_?(?:id|secret)['\"]?\s*[:=]\s*['\"]?[0-9a-f]{32}\b",
}
"""What must stand in no file, and how it is recognised."""

LICENCES = re.compile(
    r"\b(?:MIT|BSD|0BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla Public License|Zlib|CC0|Artistic)",
    re.IGNORECASE,
)
"""Licences under which a package may be used and installed by an MIT-licensed project: permissive, or by file (MPL)."""

FURTHER = {
    "skops": "MIT, which its files say and its metadata does not",
}
"""Packages of which the metadata name no licence, and where it stands."""


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("needs a clone: git names the project's files")
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def found_in(text: str) -> list[str]:
    return [what for what, pattern in SECRETS.items() if re.search(pattern, text)]


def test_no_file_holds_a_secret() -> None:
    """Guards against credentials that are pushed with a test or a page, and stay in the history for ever."""
    found = {}
    for path in tracked_files():
        text = path.read_bytes()
        if path.is_file() and b"\0" not in text[:8192] and (secrets := found_in(text.decode("utf-8", "replace"))):
            found[str(path.relative_to(ROOT))] = secrets
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        "ghp_" + "a1B2" * 9,
        "AKIA" + "ABCDEFGHIJKLMNOP",
        "Authorization: Bearer " + "a" * 40,
        "SPOTIFY_CLIENT_SECRET=" + "0123456789abcdef" * 2,
        "https://user:" + "word@example.org/simple",
    ],
)
def test_what_a_secret_looks_like_is_known(text: str) -> None:
    """Guards against a search that finds nothing whatever stands there."""
    assert found_in(text)


def licence_of(package: str) -> str:
    """What the package's metadata say."""
    said = metadata.metadata(package)
    classifiers = [line for line in said.get_all("Classifier") or [] if line.startswith("License ::")]
    return said.get("License-Expression") or "; ".join(classifiers) or (said.get("License") or "").split("\n")[0]


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock", "requirements-spark.lock"])
def test_every_package_has_a_licence_that_fits(lock: str) -> None:
    """Guards against a dependency that may not be used, or only under terms that the project does not have."""
    names = re.findall(r"^([A-Za-z0-9_.-]+)==", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE)
    assert len(names) > 50
    wrong = {}
    for name in names:
        try:
            licence = licence_of(name)
        except metadata.PackageNotFoundError:  # for another platform, or Spark's, which not everybody installs
            continue
        if not LICENCES.search(licence) and name not in FURTHER:
            wrong[name] = licence
    assert wrong == {}
