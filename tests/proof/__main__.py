"""Runs what proves the tests themselves: `python -m tests.proof [documents|mutants|faults …]`; all by default.

Belongs here: their order. Not here: what each does (docs/testing.md).
"""

import subprocess
import sys

PROOFS = {
    "documents": [
        "pytest", "-q", "tests/extract/sandbox/test_contract.py", "tests/dbt_project/test_contract_documents.py",
    ],
    "mutants": ["tests.proof.dbt_mutants"],
    "faults": ["tests.proof.system_faults"],
}  # fmt: skip

if __name__ == "__main__":
    wanted = sys.argv[1:] or list(PROOFS)
    if unknown := set(wanted) - PROOFS.keys():
        sys.exit(f"There is no proof called {', '.join(sorted(unknown))}. There are: {', '.join(PROOFS)}.")
    failed = [name for name in wanted if subprocess.run([sys.executable, "-m", *PROOFS[name]]).returncode]
    sys.exit(f"Not proved: {', '.join(failed)}." if failed else 0)
