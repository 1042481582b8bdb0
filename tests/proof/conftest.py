"""The seed of the samples that CI tries of each proof: always the same, so that a red one is of the change."""

import os

import pytest


@pytest.fixture
def seed() -> int:
    """What PROOF_SEED says, or the study's; printed, which pytest shows where the test fails."""
    found = int(os.environ.get("PROOF_SEED", "538"))
    print(f"seed {found}")
    return found
