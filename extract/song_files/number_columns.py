"""How columns of numbers are read: marks, words and units, told from the values of the whole column.

Belongs here: what is counted of such columns, and what is decided. A column of plain numbers in our units is read as it
stands, so that a file in the study's layout costs no conversion. Not here: the SQL of a conversion (texts.py), how a
unit is told from figures (units.py), and whether a value is good, which is the dbt project's to judge.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import inf

from extract.song_files import texts
from extract.song_files.errors import SongFileError
from extract.song_files.layouts import contents
from extract.song_files.readings import Decisions, Reading
from extract.song_files.rows import TABLE
from extract.song_files.units import LONGEST_SONG, TIMES, Shares, share_or_percent, unit_of_time
from warehouse.features import feature_ranges, shares, whole_numbers
from warehouse.files import for_shell, quoted
from warehouse.values import is_missing, number

FIRST_ROWS = 1_000
"""So many rows tell which columns are likely to have decimal commas."""

WORDS_SHOWN = 1_000
"""So many different texts of a column are looked up among the words for keys, modes and time signatures."""


@dataclass(frozen=True)
class Numbers:
    """What the texts of a column are as numbers: how many texts and numbers, the bounds, and how many are not whole."""

    texts: int
    numbers: int
    low: float
    high: float
    not_whole: int

    def fit(self, minimum: float, maximum: float, rows: int, *, whole: bool, factor: float) -> bool:
        """Whether all rows hold a number that, times `factor`, can be used: then no row needs to be looked at."""
        within = minimum <= self.low * factor and self.high * factor <= maximum
        return self.numbers == rows and within and not (whole and factor == 1 and self.not_whole)


@dataclass(frozen=True)
class Signs:
    """Of a column's texts that are no numbers: how many there are, are missing, hold a comma, or end in no digit.

    `points` are numbers with a decimal point; `typeset` hold a sign that a number has in print alone.
    """

    texts: int
    missing: int
    commas: int
    endings: int
    points: int
    typeset: int


def read_numbers(decisions: Decisions) -> None:
    """Decide how the audio features and popularity are read.

    Raises `SongFileError` for a column whose unit cannot be told.
    """
    found = _count_all(decisions, [name for name in feature_ranges() if name in decisions.readings])
    percents = _tidy(decisions, found)
    decisions.empty.update(name for name, numbers in found.items() if decisions.rows and numbers.texts == 0)
    factors = dict.fromkeys(_decide_shares(decisions, found, percents), 0.01)
    if "duration_ms" in found and "duration_ms" not in decisions.empty:
        factors["duration_ms"] = _decide_duration(decisions, found["duration_ms"])
    ranges, whole = feature_ranges(), whole_numbers()
    for name, numbers in found.items():
        if numbers.fit(*ranges[name], decisions.rows, whole=name in whole, factor=factors.get(name, 1)):
            decisions.clean.add(name)
        if (missing := decisions.rows - numbers.texts) and name not in decisions.empty:
            decisions.say(name, f"{missing:,} missing")


def _count_all(decisions: Decisions, names: list[str]) -> dict[str, Numbers]:
    """What the texts of these fields are as numbers; a column of decimal commas is read as one.

    Nine columns of texts that are no numbers would take half as long as the whole import: so the first rows tell which
    columns are likely to have decimal commas, and where all rows agree, nothing else is looked for.
    """
    likely = [name for name in names if name not in whole_numbers()]
    if not likely:
        return _count(decisions, names)
    row = _row(
        decisions,
        (f"{decisions.text(name)} as t{place}" for place, name in enumerate(likely)),
        (f"count(*) filter (contains(t{place}, ',')), count(*) filter (contains(t{place}, '.'))"
         for place, _ in enumerate(likely)),
        limit=FIRST_ROWS,
    )  # fmt: skip
    likely = [name for place, name in enumerate(likely) if row[2 * place] and not row[2 * place + 1]]
    before = dict(decisions.readings)
    for name in likely:
        tidied = texts.tidy_number(decisions.text(name), whole=False, has_commas=True, endings=())
        decisions.readings[name] = before[name].doing(tidied, "decimal commas")
    found = _count(decisions, names)
    wrong = [name for name in likely if found[name].numbers < found[name].texts]
    decisions.readings |= {name: before[name] for name in wrong}
    return found | _count(decisions, wrong)


def _count(decisions: Decisions, names: Iterable[str]) -> dict[str, Numbers]:
    """What the texts of these fields are as numbers, in one pass over the rows."""
    names = list(names)
    if not names:
        return {}
    inner, outer = [], []
    for place, name in enumerate(names):
        text = decisions.text(name)
        inner.append(f"{text} as t{place}, {number(text)} as n{place}")
        finite = f"filter (isfinite(n{place}))"
        outer.append(
            f"count(t{place}), count(n{place}) {finite}, min(n{place}) {finite}, max(n{place}) {finite}, "
            f"count(*) filter (n{place} <> floor(n{place}))"
        )
    row = _row(decisions, inner, outer)
    return {
        name: Numbers(*(inf if value is None else value for value in row[5 * place : 5 * place + 5]))
        for place, name in enumerate(names)
    }


def _row(
    decisions: Decisions, inner: Iterable[str], outer: Iterable[str], *, limit: int | None = None
) -> tuple[int, ...]:
    """One row of aggregates over expressions of `TABLE`, or of its first rows."""
    of_rows = f"(from {TABLE} limit {limit})" if limit else TABLE
    (row,) = decisions.connection.execute(
        f"select {', '.join(outer)} from (select {', '.join(inner)} from {of_rows})"
    ).fetchall()
    return tuple(row)


def _tidy(decisions: Decisions, found: dict[str, Numbers]) -> set[str]:
    """Read the texts that are no numbers as what they are, and count those columns anew in `found`.

    Returns the shares whose cells say that they are percents.
    """
    odd = [name for name, numbers in found.items() if numbers.texts > numbers.numbers]
    if not odd:
        return set()
    signs, before, percents = _signs(decisions, odd), dict(decisions.readings), set()
    for name in odd:
        found[name] = replace(found[name], texts=found[name].texts - signs[name].missing)
        if found[name].texts == 0:
            decisions.empty.add(name)
        if signs[name].texts:
            decisions.readings[name] = _tidied(decisions, name, signs[name])
    again = _count(decisions, (name for name in odd if decisions.readings[name] is not before[name]))
    for name, numbers in again.items():
        if numbers.numbers == found[name].numbers:  # the odd texts are something else
            decisions.readings[name] = before[name]
            continue
        if numbers.numbers < numbers.texts:
            reading = decisions.readings[name]
            decisions.readings[name] = replace(reading, sql=texts.or_itself(reading.text, before[name].text))
        found[name] = replace(numbers, texts=found[name].texts)
        if signs[name].endings and name in shares():
            percents.add(name)
    return percents


def _signs(decisions: Decisions, names: list[str]) -> dict[str, Signs]:
    inner, outer = [], []
    typeset = list(map(quoted, texts.TYPESET))
    for place, name in enumerate(names):
        inner.append(f"{decisions.text(name)} as t{place}, {number(decisions.text(name))} as n{place}")
        is_odd, missing = f"(n{place} is null or not isfinite(n{place}))", is_missing(f"t{place}")
        outer.append(
            f"count(t{place}) filter ({is_odd} and not {missing}), count(t{place}) filter ({is_odd} and {missing}), "
            f"count(*) filter ({is_odd} and contains(t{place}, ',')), "
            f"count(*) filter ({is_odd} and not {missing} and trim(t{place})[-1] not between '0' and '9'), "
            f"count(*) filter (not {is_odd} and contains(t{place}, '.')), "
            f"count(*) filter ({is_odd} and ({' or '.join(f'contains(t{place}, {sign})' for sign in typeset)}))"
        )
    row = _row(decisions, inner, outer)
    return {name: Signs(*row[6 * place : 6 * place + 6]) for place, name in enumerate(names)}


def _tidied(decisions: Decisions, name: str, signs: Signs) -> Reading:
    """The reading of a column in which there are words, commas, or units after the numbers."""
    reading = decisions.readings[name]
    if name in ("key", "mode", "time_signature"):
        reading = _with_words(decisions, name, reading)
    if signs.typeset:
        reading = reading.doing(texts.plainly_set(reading.text), "minus signs and thousands as they are printed")
    units = contents()["fields"][name].get("units", {}).values()
    endings = {ending for words in units for ending in words} if signs.endings else set()
    is_whole = name in whole_numbers()
    # In a column of decimal points a comma is none for decimals.
    has_commas = bool(signs.commas) and (is_whole or signs.commas > signs.points)
    if not (has_commas or endings):
        return reading
    tidied = texts.tidy_number(reading.text, whole=is_whole, has_commas=has_commas, endings=endings)
    commas = "commas between thousands" if is_whole else "decimal commas"
    return reading.doing(tidied, commas if has_commas else "units after the numbers")


def _with_words(decisions: Decisions, name: str, reading: Reading) -> Reading:
    """The reading with the words that stand for numbers, which are few; says where a spreadsheet made dates."""
    text = reading.text
    found = decisions.connection.execute(
        f"select {text} as word, count(*) from {TABLE} where {text} is not null and {number(text)} is null "
        f"group by word order by 2 desc, 1 limit {WORDS_SHOWN}"
    ).fetchall()
    known = {word: value for word, _ in found if (value := texts.number_of_word(name, word)) is not None}
    if not known:
        return reading
    if dates := [(word, rows) for word, rows in found if word in known and texts.is_date(word)]:
        turned = [f"{known[word]}/4 into {word}" for word, _ in dates]
        others = f" ({', '.join(turned[1:3])}{' …' if len(turned) > 3 else ''} among them)" if turned[1:] else ""
        rows, beats = sum(rows for _, rows in dates), dict.fromkeys(known[word] for word, _ in dates)
        decisions.notes.append(
            f"A spreadsheet has turned {turned[0]} in {rows:,} rows{others}: read as {' or '.join(beats)} beats."
        )
    word = next(iter(known))
    modes = {word: mode for word in known if name == "key" and (mode := texts.mode_of_key(word)) is not None}
    if len(modes) == len(known) and "mode" not in decisions.readings:
        told = Reading(reading.column).doing(texts.word_or_itself(text, modes), f"in the key: {word} is {modes[word]}")
        decisions.readings["mode"] = told
    return reading.doing(texts.word_or_itself(text, known), f"words read as numbers, such as {word} as {known[word]}")


def _decide_shares(decisions: Decisions, found: Mapping[str, Numbers], percents: set[str]) -> list[str]:
    """Read columns of percents as shares, and return them.

    A file's columns help each other, since few files mix the two; the cells of `percents` say what they are.
    """
    names = [name for name in shares() if name in found and name not in decisions.empty]
    spread = _spread(decisions, {name: found[name] for name in names})
    named = {name: "percent" if name in percents else decisions.columns.units.get(name) for name in names}
    units = {name: decisions.units.get(name) or share_or_percent(spread[name], named[name], ()) for name in names}
    # Nothing but 0 and 1 says nothing: such a column is what the others are.
    clear = {unit for name, unit in units.items() if unit and (spread[name].over or spread[name].fractions)}
    read = []
    for name in names:
        unit = decisions.units.get(name) or share_or_percent(spread[name], named[name], clear) or units[name]
        if unit is None:
            raise _untold(decisions, name, "shares (0 to 1) or percents (0 to 100)", "percent")
        if unit == "percent":
            reading = decisions.readings[name]
            decisions.readings[name] = reading.doing(
                texts.times(reading.text, 0.01, whole=False), f"percents read as shares: up to {found[name].high:g}"
            )
            read.append(name)
    return read


def _spread(decisions: Decisions, found: Mapping[str, Numbers]) -> dict[str, Shares]:
    """How the numbers spread; only of columns that reach beyond 1 the rows are counted again."""
    spread = {name: Shares(numbers.numbers, 0, numbers.not_whole, numbers.high) for name, numbers in found.items()}
    beyond = [name for name, numbers in found.items() if 1 < numbers.high < inf]
    if beyond:
        row = _row(
            decisions,
            (f"{number(decisions.text(name))} as n{place}" for place, name in enumerate(beyond)),
            (f"count(*) filter (n{place} > 1), count(*) filter (n{place} > 0 and n{place} < 1)"
             for place, _ in enumerate(beyond)),
        )  # fmt: skip
        for place, name in enumerate(beyond):
            spread[name] = replace(spread[name], over=row[2 * place], fractions=row[2 * place + 1])
    return spread


def _decide_duration(decisions: Decisions, numbers: Numbers) -> float:
    """Read seconds, minutes and clocks as milliseconds; returns what numbers are multiplied by.

    Clocks say what they are. Numbers among them have one unit, which is told as in a column of numbers alone.
    """
    reading = decisions.readings["duration_ms"]
    unit, median = _unit_of_numbers(decisions, numbers) if numbers.numbers else ("ms", 0)
    read = reading
    if unit != "ms":
        words = {"s": "seconds", "min": "minutes"}[unit]
        read = reading.doing(
            texts.times(reading.text, TIMES[unit], whole=True), f"duration read as {words}: median {median:g}"
        )
    if numbers.numbers < numbers.texts:
        read = _with_clocks(decisions, reading, read)
    decisions.readings["duration_ms"] = read
    return TIMES[unit]


def _unit_of_numbers(decisions: Decisions, numbers: Numbers) -> tuple[str, float]:
    """The unit of the durations that are numbers, and their median. Raises `SongFileError` where it cannot be told."""
    by_hand, named = decisions.units.get("duration_ms"), decisions.columns.units.get("duration_ms")
    if not by_hand and named == "ms" and 10_000 <= numbers.low < inf:
        return "ms", numbers.low
    value = number(decisions.text("duration_ms"))
    (median,) = _row(decisions, [f"{value} as n"], ["median(n) filter (isfinite(n))"])
    if by_hand in TIMES:
        return by_hand, median
    if numbers.numbers * 2 < numbers.texts and median <= 0:  # among clocks, a mark of what is missing
        return "ms", median
    unit = unit_of_time(median, named)
    if unit is None:
        units, example = f"ms, s or min; its median is {median:g}", "s" if median > 20 else "min"
        raise _untold(decisions, "duration_ms", units, example)
    return unit, median


def _with_clocks(decisions: Decisions, reading: Reading, of_numbers: Reading) -> Reading:
    """The reading of a column that may have clocks in it, and numbers that are read as `of_numbers` says."""
    text = reading.text
    clocks, median, are_hours = _row(
        decisions,
        [f"case when {texts.is_clock(text)} then trim({text}) end as clock",
         f"({texts.clock(text, otherwise='null')})::bigint as ms"],
        ["count(clock)", "median(ms)", f"bool_and(regexp_matches(clock, {quoted(':[0-9]+:00$')}))"],
    )  # fmt: skip
    if not clocks:
        return of_numbers
    # A spreadsheet takes 3:45 for a quarter to four, and writes 03:45:00.
    are_hours = are_hours and median > LONGEST_SONG * 1_000
    what = "hours and minutes, too long for songs, read as minutes and seconds" if are_hours else (
        "minutes and seconds read as ms"
    )  # fmt: skip
    return of_numbers.doing(texts.clock(text, otherwise=of_numbers.text, factor=1 / 60 if are_hours else 1), what)


def _untold(decisions: Decisions, name: str, units: str, example: str) -> SongFileError:
    said = for_shell(f"{name.removesuffix('_ms')}={example}")
    return SongFileError(
        f"{decisions.file}: the unit of column {decisions.readings[name].column} cannot be told from its name and its "
        f"values: {units}.\nSay it, for example: {decisions.command} --unit {said}"
    )
