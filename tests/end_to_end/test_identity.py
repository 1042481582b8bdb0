"""What is shown together is of one dataset and one build of it, whatever commands came before, in whatever order.

IDENTITY_SEQUENCES=200 plays 200 random sequences, IDENTITY_SEED=… those of an earlier run.
"""

import csv
import os
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.end_to_end.workplace import MODEL, SANDBOX_GENRES, Dbt, Workplace, songs, write_songs
from warehouse import files, raw
from warehouse.changes import MartChange
from warehouse.publication import publish, tracks_digest

SEQUENCES = int(os.environ.get("IDENTITY_SEQUENCES") or 2)
STEPS = 6
DUMPS = {"first": ["pop", "rock"], "second": ["jazz", "punk"]}
"""Datasets and their genres: those of the dumps, then the sandbox's. None has a genre of another's."""
GENRES = {**DUMPS, "sandbox": list(SANDBOX_GENRES)}

NO_MODEL = re.compile(r"There is no model of (?P<dataset>\S+) yet\.|learnt an earlier build of (?P<earlier>\S+)\.")


@pytest.fixture(scope="session")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the two dumps: the first as TidyTuesday lays them out, the second as the study does."""
    folder = tmp_path_factory.mktemp("dumps")
    for name, genres in DUMPS.items():
        write_songs(folder / f"{name}.csv", songs(genres), tidytuesday=name == "first")
    return folder


def check_copy(place: Workplace) -> None:
    """All that must hold of the published copy, where there is one."""
    if not place.published.exists():
        return
    ((dataset, listings, is_synthetic),) = place.read(
        """
        select dataset, (select count(*) from raw.tracks where tracks.dataset = datasets.dataset), is_synthetic
        from raw.datasets where dataset in (select dataset from marts.cleaning_audit)
        """
    )
    marts = [
        mart for (mart,) in place.read("select table_name from duckdb_tables() where schema_name = 'marts' order by 1")
    ]
    assert len(marts) >= 10
    for mart in marts:
        held = place.read(f"select distinct dataset, is_synthetic from marts.{mart}")
        assert held in ([(dataset, is_synthetic)], []), (mart, held)
    ((clean, rejected),) = place.read(
        "select (select count(*) from marts.clean_tracks), (select count(*) from marts.rejected_listings)"
    )
    assert listings == clean + rejected
    assert genres_of(place, dataset) <= set(GENRES.get(dataset, genres_of(place, dataset)))
    published = shown_run(place)
    if "ml" not in {schema for (schema,) in place.read("select distinct schema_name from duckdb_tables()")}:
        return
    predicted = place.read("select run_id, dataset, is_synthetic from ml.genre_predictions group by all")
    assert predicted in ([], [(published, dataset, is_synthetic)])
    if predicted:
        ((missing, foreign),) = place.read(
            """
            select count(*) filter (guess.spotify_track_id is null), count(*) filter (track.spotify_track_id is null)
            from marts.clean_tracks as track full join (from ml.genre_predictions where rank = 1) as guess
                using (spotify_track_id)
            """
        )
        assert (missing, foreign) == (0, 0)


def genres_of(place: Workplace, dataset: str) -> set[str]:
    return {genre for (genre,) in place.read("select genre from marts.clean_tracks where dataset = ?", [dataset])}


def shown_run(place: Workplace) -> str | None:
    """The published run of the copy, which must be of the copy's very tracks; None where there is none."""
    if not place.read("select 1 from duckdb_tables() where schema_name = 'ml' and table_name = 'model_runs'"):
        return None
    with files.connect(place.published, read_only=True) as connection:
        digest = tracks_digest(connection)
    runs = place.read("select run_id, dataset, tracks_digest from ml.model_runs where is_published")
    if not runs:
        return None
    ((dataset,),) = place.read("select distinct dataset from marts.cleaning_audit")
    ((run_id, of_dataset, of_tracks),) = runs
    assert (of_dataset, of_tracks) == (dataset, digest)
    return str(run_id)


def check_page(place: Workplace) -> None:
    """All that must hold of a report that was made from the copy as it is now."""
    ((dataset, is_synthetic, clean),) = place.read(
        "select dataset, is_synthetic, (select count(*) from marts.clean_tracks) from marts.cleaning_audit limit 1"
    )
    page, run_id = place.page, shown_run(place)
    others = {name for name in GENRES if name != dataset}
    synthetic = ", synthetic" if is_synthetic else ""
    assert re.search(rf"Data: {dataset} ?{synthetic}, built [^U]+ UTC: {clean} clean tracks of 2 genres", page), page
    assert ("Synthetic data. Every song, artist and figure here is made up" in page) == is_synthetic
    assert ("ynthetic" in page) == is_synthetic
    shown = set(re.findall(r"[a-z]+-(?:artist_grouped|study_\d+_\d+)-[a-z_]+-[0-9a-f]{8}", page))
    recorded = dict(place.read("select run_id, dataset from ml.model_runs")) if shown else {}
    if run_id:
        assert run_id in shown
        assert f"Run {run_id}." in page
        figures = place.read("select top_1, top_3, macro_f1 from ml.model_runs where run_id = ?", [run_id])[0]
        for name, figure in zip(("Top-1", "Top-3", "Macro F1"), figures, strict=True):
            assert f"{name} {figure:.1%}" in page
        with files.connect(place.published, read_only=True) as connection:
            these_tracks = tracks_digest(connection)
        of_these = place.read("select run_id from ml.model_runs where tracks_digest = ?", [these_tracks])
        assert shown <= {name for (name,) in of_these}
        assert {recorded[name] for name in shown} == {dataset}
    else:
        assert not re.search(r"Top-1 \d", page)
        said = NO_MODEL.search(page)
        assert said or "The answer No: of " in page or "The answer Only " in page or "The answer Nothing to" in page
        assert said is None or dataset in said.groups()
        assert shown <= {name for name in recorded if recorded[name] == dataset}
    for name in others:
        assert f"{name}-artist_grouped" not in page
        assert f"model of {name}" not in page
    for file in (place.folder / "reports" / "data").glob("*.csv"):
        with file.open(encoding="utf-8", newline="") as lines:
            cells = {cell for row in csv.reader(lines) for cell in row}
        assert not cells & {genre for other in others for genre in GENRES[other]}, file


def check_export(place: Workplace) -> None:
    """The folder of the dataset that the copy holds says whose data they are."""
    ((dataset, is_synthetic),) = place.read("select distinct dataset, is_synthetic from marts.cleaning_audit")
    words = (place.folder / "exports" / dataset / "README.md").read_text(encoding="utf-8")
    assert words.startswith(f"# {dataset}\n")
    assert ("**Synthetic data**" in words) == is_synthetic


def check_prediction(place: Workplace, file: Path) -> None:
    """Songs are scored by the model of the copy; where there is none, a sentence says so, of this dataset."""
    run_id = shown_run(place)
    result = place.song_genres("predict", str(file))
    if run_id:
        ((is_synthetic,),) = place.read("select is_synthetic from ml.model_runs where run_id = ?", [run_id])
        assert result.exit_code == 0, result.output
        assert run_id in result.stdout
        assert ("a model of synthetic data" in " ".join(result.stdout.split())) == is_synthetic
    else:
        ((dataset,),) = place.read("select distinct dataset from marts.cleaning_audit")
        assert result.exit_code == 1
        said = NO_MODEL.search(result.stderr)
        assert said is None or dataset in said.groups()
        assert said or "No: of " in result.stderr or "Only " in result.stderr


def landed(place: Workplace) -> dict[str, int]:
    """Listings by dataset."""
    if not place.warehouse.exists():
        return {}
    return dict(place.read("select dataset, count(*) from raw.tracks group by all", file=place.warehouse))


def active(place: Workplace) -> str | None:
    if not place.warehouse.exists():
        return None
    found = place.read("select dataset from raw.datasets where is_active", file=place.warehouse)
    return str(found[0][0]) if found else None


def test_real_rows_after_a_run_of_the_sandbox_are_shown_without_its_figures(workplace: Workplace, dumps: Path) -> None:
    """Guards against a page of real tracks, without the synthetic label, whose answer is the sandbox model's."""
    workplace.run("sandbox")
    check_copy(workplace)
    check_page(workplace)
    sandbox_run = shown_run(workplace)
    assert sandbox_run
    assert workplace.song_genres("import", str(dumps / "first.csv")).exit_code == 0
    assert workplace.dbt_build()
    said = workplace.song_genres("publish").output
    assert "It replaces a copy of another dataset, sandbox," in said
    assert workplace.song_genres("report").exit_code == 0
    check_copy(workplace)
    check_page(workplace)
    assert shown_run(workplace) is None
    assert workplace.read("select count(*) from ml.genre_predictions") == [(0,)]
    assert "The answer There is no model of first yet. Train one with song-genres run ." in workplace.page
    assert sandbox_run not in workplace.page
    check_prediction(workplace, dumps / "first.csv")
    workplace.train_job()
    # Back to the sandbox, whose documents have not changed: its model is that of its tracks, and may be shown again,
    # with its predictions, although another dataset has had a model since.
    assert workplace.song_genres("use", "sandbox").exit_code == 0
    assert workplace.dbt_build()
    assert workplace.song_genres("publish").exit_code == 0
    assert workplace.song_genres("report").exit_code == 0
    check_copy(workplace)
    check_page(workplace)
    assert shown_run(workplace) == sandbox_run
    assert workplace.read("select count(distinct spotify_track_id) from ml.genre_predictions") == workplace.read(
        "select count(*) from marts.clean_tracks"
    )


class Commands(RuleBasedStateMachine):
    """The documented commands in random order, in a folder of their own. Class attributes are what all begin with."""

    make_place: Callable[[], Workplace]
    dumps: Path

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.place = type(self).make_place().entered(self.patch)
        self.landed: dict[str, int] = {}

    def teardown(self) -> None:
        self.patch.undo()

    @initialize(source=st.sampled_from(sorted(GENRES)))
    def first_run(self, source: str) -> None:
        """Something is published, so that every later step has what it could mix up."""
        self.run(source)

    @rule(name=st.sampled_from(sorted(DUMPS)))
    def import_dump(self, name: str) -> None:
        assert self.place.song_genres("import", str(self.dumps / f"{name}.csv")).exit_code == 0
        assert active(self.place) == name

    @rule(genres=st.sampled_from([SANDBOX_GENRES, SANDBOX_GENRES[:1]]), hits=st.sampled_from([12, 20, 24]))
    def extract(self, genres: tuple[str, ...], hits: int) -> None:
        assert self.place.crawl(*genres, hits=hits).exit_code == 0
        assert active(self.place) == "sandbox"

    @rule(name=st.sampled_from(sorted(GENRES)))
    def use(self, name: str) -> None:
        before = active(self.place)
        done = self.place.song_genres("use", name)
        assert (done.exit_code == 0) == (name in landed(self.place))
        assert active(self.place) == (name if done.exit_code == 0 else before)

    @rule()
    def dbt_build(self) -> None:
        assert self.place.dbt_build()

    @rule(model=st.sampled_from([MODEL, MODEL, "prior"]))
    def train_job(self, model: str) -> None:
        self.place.train_job(model)

    @rule(predict=st.booleans())
    def parts_of_the_train_job(self, predict: bool) -> None:
        if predict:
            self.place.predict_job()
        else:
            self.place.train_job(predict=False)

    @rule()
    def train(self) -> None:
        before = self.published_models()
        self.place.song_genres("train", "--model", MODEL)  # refused where there is too little to learn
        assert self.published_models() == before

    def published_models(self) -> list[tuple[Any, ...]]:
        """Of each dataset, the run that is shown and the file of its model."""
        return self.place.read(
            "select dataset, run_id, model_path from ml.model_runs where is_published order by all",
            file=self.place.warehouse,
        )

    @rule()
    def publish(self) -> None:
        before = self.place.published.read_bytes()
        if self.place.song_genres("publish").exit_code:
            assert self.place.published.read_bytes() == before
        else:
            assert self.place.read("select distinct dataset from marts.cleaning_audit") == [(active(self.place),)]

    @rule()
    def report(self) -> None:
        assert self.place.song_genres("report").exit_code == 0
        check_page(self.place)

    @rule()
    def export(self) -> None:
        assert self.place.song_genres("export").exit_code == 0
        check_export(self.place)

    @rule(name=st.sampled_from(sorted(DUMPS)))
    def predict(self, name: str) -> None:
        check_prediction(self.place, self.dumps / f"{name}.csv")

    @rule(source=st.sampled_from(["auto", *GENRES]))
    def run(self, source: str) -> None:
        is_dump = source in DUMPS and source not in landed(self.place)
        expected = active(self.place) if source == "auto" else source
        self.place.run(str(self.dumps / f"{source}.csv") if is_dump else source)
        assert active(self.place) == expected
        assert self.place.read("select distinct dataset from marts.cleaning_audit") == [(expected,)]
        assert shown_run(self.place), "each dataset's genres are easily told apart"
        assert self.place.read("select count(*) > 0 from ml.genre_predictions") == [(True,)]
        check_page(self.place)
        check_export(self.place)

    @rule()
    def refresh(self) -> None:
        before = active(self.place)
        self.place.run("auto", refresh="popularity")
        assert active(self.place) == before
        check_page(self.place)

    @invariant()
    def what_is_shown_is_of_one_dataset_and_build(self) -> None:
        check_copy(self.place)

    @invariant()
    def nothing_landed_is_lost(self) -> None:
        now = landed(self.place)
        assert all(now[name] >= count for name, count in self.landed.items()), (self.landed, now)
        self.landed = now


@pytest.mark.timeout(1800 * SEQUENCES)
@pytest.mark.full
def test_random_sequences_of_commands_never_mix(
    tmp_path_factory: pytest.TempPathFactory, dbt_in_process: Dbt, dumps: Path
) -> None:
    """Guards against a sequence that nobody thought of and that shows figures of other tracks than the page's."""
    number = int(os.environ.get("IDENTITY_SEED") or random.SystemRandom().randrange(2**32))
    print(f"To play these sequences again: IDENTITY_SEED={number} IDENTITY_SEQUENCES={SEQUENCES}")

    def make_place() -> Workplace:
        return Workplace(tmp_path_factory.mktemp("sequence"), dbt_in_process)

    commands = seed(number)(
        type("PlayedCommands", (Commands,), {"make_place": staticmethod(make_place), "dumps": dumps})
    )
    run_state_machine_as_test(
        commands,
        settings=settings(
            max_examples=SEQUENCES, stateful_step_count=STEPS, deadline=None, database=None,
            verbosity=Verbosity.normal,
            phases=[Phase.generate],  # to shrink a failure would take hours; its steps are printed as they were
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


@pytest.fixture
def song_place(workplace: Workplace, dumps: Path) -> Iterator[Workplace]:
    """A folder in which the first dump was run."""
    workplace.run(str(dumps / "first.csv"))
    yield workplace
    check_copy(workplace)


def land_copies(place: Workplace, track_ids: list[str], *, of: int = 1) -> None:
    """Land another batch of the active dataset: its listing number `of` once more under each of the ids."""
    with files.connect(place.warehouse) as connection:
        dataset = raw.active_dataset(connection)
    assert dataset
    with files.connect(place.warehouse) as connection:
        batch = {}
        for table, columns in (("tracks", "genre, artist_name, "), ("audio_features", "")):
            batch[table] = connection.sql(
                f"""
                select {columns}new_id as track_id, number as listing_id, replace(payload, track_id, new_id) as payload
                from raw.{table}, unnest($ids) with ordinality as copies(new_id, number)
                where dataset = $dataset and listing_id = $of
                """,
                params={"of": of, "ids": track_ids, "dataset": dataset.name},
            ).to_arrow_table()
        raw.land(connection, dataset, batch)


def test_tracks_that_the_model_never_saw_are_told_from_those_it_was_tested_on(song_place: Workplace) -> None:
    """Guards against parts computed anew from today's tracks, by which what was learnt is taken for held out."""
    (run_id,) = song_place.read("select run_id from ml.model_runs where is_published", file=song_place.warehouse)[0]
    recorded = dict(song_place.read("select spotify_track_id, part from ml.splits where run_id = ?", [run_id]))
    assert len(recorded) == 144
    assert {"train", "held_out"} <= set(recorded.values()) <= {"train", "held_out", "set_aside"}
    land_copies(song_place, ["new1", "new2", "new3"])
    assert song_place.dbt_build()
    song_place.predict_job()
    predicted = dict(
        song_place.read("select distinct spotify_track_id, part from ml.genre_predictions", file=song_place.warehouse)
    )
    assert predicted == recorded | dict.fromkeys(["new1", "new2", "new3"], "unseen")
    publication = publish()
    assert publication.model.run_id is None
    assert f"{run_id} learnt an earlier build of first" in publication.model.finding
    assert shown_run(song_place) is None
    assert song_place.read("select count(*) from ml.genre_predictions") == [(0,)]
    assert song_place.song_genres("report").exit_code == 0
    assert f"The answer There is no model of these tracks yet; {run_id} learnt an earlier build" in song_place.page
    assert song_place.read("select run_id from ml.model_runs where is_published", file=song_place.warehouse)


def test_publishing_counts_what_changed_by_hand(song_place: Workplace) -> None:
    """Guards against a change of the data that nobody is told of, and against counts by place in place of key."""
    unchanged = publish()
    assert unchanged.before == "first"
    assert {(change.added, change.removed, change.changed) for change in unchanged.changes} == {(0, 0, 0)}
    with files.connect(song_place.warehouse) as connection:  # as answers that came anew would be: one silent, one liked
        connection.execute(
            """
            update raw.audio_features set payload = regexp_replace(payload, '"tempo":[0-9.]+', '"tempo":0')
            where listing_id = 1;
            update raw.tracks set payload = regexp_replace(payload, '"popularity":[0-9]+', '"popularity":100')
            where listing_id = 5
            """
        )
    land_copies(song_place, ["new1"], of=7)
    assert song_place.dbt_build()
    publication = publish()
    assert publication.before == "first"
    changes = {change.mart: change for change in publication.changes}
    assert changes["clean_tracks"] == MartChange("clean_tracks", added=1, removed=1, changed=1)
    assert changes["rejected_listings"] == MartChange("rejected_listings", added=1, removed=0, changed=0)
    assert changes["track_artists"] == MartChange("track_artists", added=1, removed=1, changed=0)
    # 145 listings now: all, and what the first three rules leave; and the fourth, which took the silent one.
    assert changes["cleaning_audit"] == MartChange("cleaning_audit", added=0, removed=0, changed=5)
    assert changes["crawl_cost"] == MartChange("crawl_cost", 0, 0, 0)
    assert song_place.song_genres("publish").exit_code == 0
