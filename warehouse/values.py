"""The values of songs in a user's file, as SQL: what is missing, what is a number, and what is wrong with it.

Belongs here: the rules that a value of a file is read by, said once for importing and for scoring, on one machine and
on Spark's workers. Not here: which column holds which feature (extract/song_files), and the rules that reject a landed
listing, which are the dbt project's.

Every function takes the column as SQL of type varchar, and gives an expression.
"""

from warehouse.features import whole_numbers
from warehouse.files import quoted

MISSING = r" *(nan|na|n/a|#n/a|null|none|\\n|\?|-|empty_field|set\(\))? *"  # in any case; \N is MySQL's, set() Python's


def is_missing(column: str) -> str:
    """Whether nothing is known: an empty cell, or one of the words for it."""
    # No IN: of a list that long DuckDB makes a join, one per column. What begins like a number is none of the words.
    is_marked = f"regexp_full_match({column}, {quoted(MISSING)}, 'i')"
    return f"({column} is null or not ({column} > '-' and {column} < ':') and {is_marked})"


def number(column: str) -> str:
    """The number (double), or NULL where the text is none."""
    # DuckDB reads 1_000 as a number; CSV and JSON do not.
    return f"try_cast(case when not contains({column}, '_') then {column} end as double)"


def usable_number(feature: str, column: str, minimum: float, maximum: float) -> str:
    """The number (double) where it can be a value of the feature, else NULL."""
    whole = f"and {number(column)} = floor({number(column)})" if feature in whole_numbers() else ""
    return f"case when {number(column)} between {minimum} and {maximum} {whole} then {number(column)} end"


def release_year(column: str) -> str:
    """The year (double) that marts.track_details has of a date such as 1994, 1994-05 or 1994-05-31, or NULL.

    1994.0 is a year too: a column of years with gaps is one of fractions to pandas and Excel.
    """
    # As dbt_project/macros/release_date.sql: a day that the calendar has, and no earlier than sound was recorded.
    date = f"regexp_extract({column}, '^([0-9]{{4}}(-[0-9]{{2}}(-[0-9]{{2}})?)?)([T ].*|[.]0+)?$', 1)"
    year = f"year(try_cast({date} || right('-01-01', 10 - length({date})) as date))::double"
    return f"case when {year} between 1860 and 2100 then {year} end"


def problem(feature: str, name: str, column: str, minimum: float, maximum: float, *, may_be_missing: bool) -> str:
    """What is wrong with a value of the feature, such as "column tempo: 'fast' is not a number"; NULL where nothing is.

    `name` is the column's name in the file.
    """
    said = f"{quoted(f'column {name}: ')} || $$'$$ || left({column}, 40) || $$'$$ ||"
    absent = "null" if may_be_missing else quoted(f"column {name}: is missing")
    whole = f"when {number(column)} <> floor({number(column)}) then {said} ' is not a whole number'"
    return f"""
        case
            when {is_missing(column)} then {absent}
            when {number(column)} is null then {said} ' is not a number'
            when not isfinite({number(column)}) then {said} ' is not a finite number'
            {whole if feature in whole_numbers() else ""}
            when {number(column)} not between {minimum} and {maximum}
                then {said} ' is not within {minimum:.12g} to {maximum:.12g}'
        end
        """
