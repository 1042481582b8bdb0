"""A cell's text as the text that we write, as SQL: numbers, words, ids and lists.

Belongs here: expressions on one column, for whole columns. Not here: which column needs which (readings.py).

Every function takes SQL of type varchar. What it cannot read it leaves as it stands, for dbt to reject by name;
`tidy_number` alone leaves that to `or_itself`, since few columns need it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from extract.song_files.layouts import contents
from warehouse.files import quoted
from warehouse.values import number

THOUSANDS = quoted(r"-?\d{1,3}(,\d{3})+(\.0*)?")
CLOCK = quoted(r"(\d+:)?\d{1,3}:\d{2}(\.\d+)?")
ADDRESS = quoted(r"spotify:(track|album|local):|/(track|album)s?/")
_IN_QUOTES = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*["]"""
IN_QUOTES = quoted(_IN_QUOTES)
NAME_IN_QUOTES = quoted(rf"""['"]name['"]: ({_IN_QUOTES})""")
LIST_OF_OBJECTS = quoted(r"^\s*\[\s*\{")
"""Patterns, as SQL."""


TYPESET = ("−", "\u00a0", "\u202f", "\u2009", "'", "’")
"""A minus sign, and what some countries put between thousands: spaces that do not break, and apostrophes."""


def plainly_set(text: str) -> str:
    """A number with a hyphen for its minus sign, and nothing between its thousands."""
    return f"translate({text}, {quoted(''.join(TYPESET))}, '-')"


def tidy_number(text: str, *, whole: bool, has_commas: bool, endings: Iterable[str]) -> str:
    """A number without what is written around it: a unit, a decimal comma, or commas between thousands.

    The field says which comma it is: of whole numbers it stands between thousands, of others before decimals.
    """
    tidied = f"trim({text})"
    if endings := sorted(endings, key=len, reverse=True):
        at_the_end = quoted(r"\s*(" + "|".join(map(re.escape, endings)) + ")$")
        tidied = f"regexp_replace({tidied}, {at_the_end}, '', 'i')"
    if has_commas:
        point = f"replace({tidied}, ',', '.')"
        thousands = f"regexp_full_match({tidied}, {THOUSANDS})"
        tidied = f"case when {thousands} then replace({tidied}, ',', '') else {point} end" if whole else point
    return tidied


def or_itself(tidied: str, text: str) -> str:
    """`tidied` where it is a number, else the text."""
    return f"case when {number(tidied)} is not null then {tidied} else {text} end"


def times(text: str, factor: float, *, whole: bool) -> str:
    """A number times `factor`. Rounded, since 57.3 / 100 is 0.5729999999999999."""
    product = f"round({number(text)} * {factor}, {0 if whole else 12})" + "::bigint" * whole
    return f"coalesce(try({product})::varchar, {text})"


def is_clock(text: str) -> str:
    """Whether the text is 3:45 or 1:02:03."""
    return f"regexp_full_match(trim({text}), {CLOCK})"


def clock(text: str, *, otherwise: str, factor: float = 1) -> str:
    """3:45 or 1:02:03 in milliseconds, times `factor`; `otherwise` where the text is no clock."""
    parts = f"string_split(trim({text}), ':')"
    seconds = f"({parts}[-1]::double + {parts}[-2]::bigint * 60 + coalesce({parts}[-3]::bigint, 0) * 3600)"
    return f"case when {is_clock(text)} then round({seconds} * {1000 * factor})::bigint::varchar else {otherwise} end"


def word_or_itself(text: str, words: Mapping[str, str]) -> str:
    """The number for each of these words."""
    branches = " ".join(f"when {quoted(word)} then {quoted(found)}" for word, found in words.items())
    return f"case {text} {branches} else {text} end"


def number_of_word(name: str, word: str) -> str | None:
    """The number that a word for a key, a mode or a time signature means: 1 for `C#`, `Db`, `C♯` and `C#/Db`."""
    known = contents()["words"][name] if name != "time_signature" else {}
    word = " ".join(word.casefold().replace("♯", "#").replace("♭", "b").split())
    if name == "time_signature":
        return _beats(word)
    if name == "key":
        word = re.sub(r" ?sharp", "#", re.sub(r" ?flat", "b", word)).partition("/")[0]
        word = re.sub(r" ?(major|minor|maj|min)$| ?m$", "", word).strip()
    found = known.get(word)
    return None if found is None else str(found)


def mode_of_key(word: str) -> str | None:
    """The mode in a word for a key, such as `A# Minor`; None where it names none."""
    return number_of_word("mode", word.split()[-1]) if " " in word.strip() else None


MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul")
DAYS = (rf"(?P<day>\d\d?)[- .]+(?P<name>{'|'.join(MONTHS)})\w*", rf"(?P<name>{'|'.join(MONTHS)})\w*[- ](?P<day>\d\d?)",
        r"\d{4}-(?P<month>\d\d)-(?P<day>\d\d)( 00:00(:00)?)?",
        r"(?P<day>\d\d?)[./-](?P<month>\d\d?)[./-]\d{2,4}")  # fmt: skip


def _beats(word: str) -> str | None:
    """The beats of 4/4, or of the date that a spreadsheet makes of it: 4-Apr, and 3-Apr or 4-Mar of 3/4."""
    if beats := re.fullmatch(r"(\d) ?/ ?\d+", word):
        return beats[1]
    for pattern in DAYS:
        if date := re.fullmatch(pattern, word):
            parts = date.groupdict()
            month = int(parts["month"]) if "month" in parts else MONTHS.index(parts["name"]) + 1
            return str(int(date["day"])) if month == 4 else str(month) if int(date["day"]) == 4 else None
    return None


def is_date(word: str) -> bool:
    """Whether the word is what a spreadsheet makes of a time signature."""
    word = " ".join(word.casefold().split())
    return _beats(word) is not None and not re.fullmatch(r"\d ?/ ?\d+", word)


def bare_id(kind: str, text: str) -> str:
    """The id in `spotify:<kind>:ID` and in an address of it, where `kind` is track or album."""
    found = f"regexp_extract({text}, {quoted(f'(?:spotify:{kind}:|/{kind}s?/)([0-9A-Za-z]+)')}, 1)"
    return f"coalesce(nullif({found}, ''), {text})"


def derived_id(title: str, artists: str, duration: str | None) -> str:
    """An id for a song that has none: of its title and artists, without case and repeated spaces.

    Of a song by nobody, its duration stands in for the artists: many songs are called Intro.
    """

    def same(text: str) -> str:
        return rf"lower(nfc_normalize(trim(regexp_replace({text}, '\s+', ' ', 'g'))))"

    instead = f"coalesce({duration}, '')" if duration else "''"
    return f"'derived:' || md5({same(title)} || chr(10) || coalesce({same(artists)}, {instead}))"


def split(text: str, separator: str) -> str:
    """The list of what stands between separators, without those that are empty."""
    return _without_blanks(f"string_split({text}, {quoted(separator)})")


def json_list(text: str, *, of_objects: bool) -> str:
    """The list of a JSON list: its texts, or the names of its objects."""
    if of_objects:
        items = f"""from_json({text}, '[{{"name": "VARCHAR"}}]')"""
        return _without_blanks(f"list_transform({items}, lambda item: item.name)")
    return _without_blanks(f"""from_json({text}, '["VARCHAR"]')""")


def python_list(text: str) -> str:
    """The list of a list as Python writes it: `['A', "B's"]`, or the names of its objects: `[{'name': 'A'}]`."""
    plain = r"regexp_replace(item[2:-2], '\\(.)', '\1', 'g')"
    items = (
        f"case when {is_list_of_objects(text)} then regexp_extract_all({text}, {NAME_IN_QUOTES}, 1) "
        f"else regexp_extract_all({text}, {IN_QUOTES}) end"
    )
    return _without_blanks(f"list_transform({items}, lambda item: {plain})")


def is_list_of_objects(text: str) -> str:
    """Whether a list holds objects, as JSON and Python write them."""
    return f"regexp_matches({text}, {LIST_OF_OBJECTS})"


def _without_blanks(items: str) -> str:
    return f"list_filter(list_transform({items}, lambda item: trim(item)), lambda item: item <> '')"


def distinct(items: str) -> str:
    """A list without repeats, in its order."""
    return f"list_filter({items}, lambda item, place: list_position({items}, item) = place)"


def joined(names: str) -> str:
    """A list as one text; NULL for an empty one."""
    return f"nullif(array_to_string({names}, ', '), '')"


def without(text: str, words: Sequence[str]) -> str:
    """NULL in the place of these words."""
    listed = ", ".join(map(quoted, words))
    return f"case when trim({text}) not in ({listed}) then {text} end"
