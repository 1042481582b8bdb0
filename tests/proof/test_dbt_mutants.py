"""The tool that makes mutants of the dbt project, and a few of them: `make proof` tries all."""

from pathlib import Path

import pytest

from tests.proof.dbt_mutants import all_mutants, explained, sample, verdicts
from tests.proof.sql_mutants import mutants

MODEL = """
{% if a < b %}
-- where x < 1
select coalesce(a, 0) as a, 'x < 1' as text
from t
where x < 10 and y is null
"""


def test_each_mutant_has_one_change_outside_of_comments_and_texts() -> None:
    """Guards against mutants that change nothing, and are then counted as survivors or as killed."""
    found = {mutant.name: mutant.apply(MODEL) for mutant in mutants(Path("m.sql"), MODEL)}
    assert set(found) == {
        "m: where x [< -> <=]",
        "m: where x [< -> >]",
        "m: where x < [10 -> 11]",
        "m: select coalesce(a, [0 -> 1]",
        "m: select [coalesce(a, 0) -> a]",
        "m: where x < 10 [and y is null -> ]",
        "m: [where x < 10 and y is null -> where true]",
        "m: where x < 10 [and -> or]",
        "m: where x < 10 and y [is null -> is not null]",
    }
    assert len({*found.values(), MODEL}) == len(found) + 1


def test_there_are_enough_mutants_and_each_survivor_is_one_of_them() -> None:
    """Guards against an explanation of a line that has changed since."""
    every = all_mutants()
    names = {mutant.name for mutant in every}
    assert len(names) == len(every) >= 300
    assert explained().keys() - names == set()
    assert {mutant.path for mutant in sample(every, 60, 1)} > {mutant.path for mutant in sample(every, 10, 1)}


@pytest.mark.full
def test_a_sample_of_mutants_is_killed(seed: int) -> None:
    """Guards against a rule of the dbt project that no dbt test minds any more."""
    survivors = [verdict.mutant.name for verdict in verdicts(sample(all_mutants(), 8, seed)) if not verdict.killed_by]
    assert set(survivors) <= explained().keys()
