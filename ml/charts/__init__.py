"""The report's charts: pure functions from a table to a drawing, and the list of what the page shows.

Belongs here: from which query each chart is drawn, on which rows, and how to read it. Not here: how it is drawn
(data.py, genres.py, model.py, sets.py, comparison.py), files and HTML (ml/report.py). Adding a chart is a function that
gives a `Drawing`, and an entry in CHARTS.
"""

from ml.charts import comparison, data, genres, model, sets
from ml.charts.chart import CLEAN, DISCRETE, HELD_OUT, Chart, confusions_of, first, pooled, sum_of
from ml.charts.style import ALL

__all__ = ["CHARTS", "Chart"]

FIGURES = ("top_1", "top_3", "macro_f1", "top_1_any", "top_3_any")

CHARTS = (
    Chart(
        key="scores",
        section="The answer",
        name="The answer in figures",
        how_to_read="A longer bar is better. The thin line is the 95% interval: drawing the held-out artists anew "
        "would move the figure within it. Where the genres are the study's, its published figures stand beside them: "
        "they are for its own tracks, split by row, so that artists were on both sides. In the table, top_1_any and "
        "top_3_any count any genre under which a track is listed.",
        rows=HELD_OUT + ", the same for every model measured here",
        query=f"""
            with shown as (select * from ml.model_runs where run_id = $run_id),
            contenders as (
                select 1 as place, model || ' (this model)' as contender, * from shown
                union all
                select if(is_baseline, 3, 2), case
                        when is_baseline then 'always the commonest genres'
                        when features = (select features from shown) then 'the study''s forest'
                        else 'the study''s forest, by sound alone'
                    end, *
                from (
                    select * from ml.model_runs
                    where (is_baseline or model = 'study_forest') and run_id <> $run_id
                        and (dataset, tracks_digest, held_out_digest, folds)
                        = (select (dataset, tracks_digest, held_out_digest, folds) from shown)
                        and (features = 'audio' or protocol like 'study%')  -- the study's own have its features
                    qualify row_number() over (partition by model order by n_train, created_at desc) = 1
                )
            ),
            measured as (
                {
            " union all ".join(
                f"select place, contender, run_id, n_test, '{name}' as figure, {name} as value, {name}_low as low, "
                f"{name}_high as high from contenders"
                for name in FIGURES
            )
        }
            ),
            published as (
                select 4 as place, 'the study''s forest, as published on its data' as contender, null as run_id,
                    null as n_test, figure, value, null as low, null as high
                from ml.study_figures
                where model = 'study_forest'
                    and protocol = (select if(protocol like 'study%', protocol, 'study_2023_04') from shown)
                    and figure in ('top_1', 'top_3', 'macro_f1') and (select has_study_genres from shown)
            )
            select contender, figure, value, low, high, n_test, run_id
            from (select * from measured union all select * from published)
            order by place, list_position({list(FIGURES)}, figure)
        """,
        draw=comparison.answer,
        count=lambda table: first(table, "n_test"),
    ),
    Chart(
        key="cleaning",
        section="The data",
        name="Cleaning",
        how_to_read="The first bar is every listing landed, the last what is left; between them is what each rule "
        "took, in the order of the rules.",
        rows="n = {n:,} listings; each that is not clean stands in marts.rejected_listings with its reason",
        query="select step, rule, description, rows_removed, rows_after from marts.cleaning_audit order by step",
        draw=data.cleaning,
        count=lambda table: first(table, "rows_after"),
    ),
    Chart(
        key="tracks-per-genre",
        section="The data",
        name="Tracks per genre",
        how_to_read="One bar per genre, the largest first, coloured by family: a group of genres that sound alike. "
        "A genre with few tracks is harder to learn.",
        rows=CLEAN,
        query="select genre, count(*) as tracks from marts.clean_tracks group by genre order by tracks desc, genre",
        draw=data.tracks_per_genre,
        count=sum_of("tracks"),
        search=True,
        families=True,
    ),
    Chart(
        key="overlap",
        section="The data",
        name="Genres that share tracks",
        how_to_read="A bar is a pair of genres: of the tracks listed under either, the share that is listed under both "
        "(the Jaccard index). A model is counted as wrong where it names the other genre of such a track.",
        rows="n = {n:,} clean tracks, each under every genre it was listed under",
        query="""
            select genre, other_genre, tracks_in_both, tracks_in_genre, tracks_in_other_genre, jaccard,
                (select count(*) from marts.clean_tracks) as clean_tracks
            from marts.genre_overlap order by jaccard desc, genre, other_genre
        """,
        narrow=lambda pairs, chosen: pairs[pairs[["genre", "other_genre"]].isin(chosen).any(axis="columns")],
        draw=data.overlap,
        count=lambda table: first(table, "clean_tracks"),
        no_rows="no track is listed under more than one genre, so none overlap.",
    ),
    Chart(
        key="decades",
        section="The data",
        name="Genres over the years",
        how_to_read="A row is a genre, the oldest on average first; a figure is the share of its dated tracks that was "
        "released in that decade. The date is that of the album that the source names, which may be a reissue.",
        rows="n = {n:,} clean tracks with a release date, each under the genre it was first listed under",
        query=f"""
            select genre, greatest(release_year // 10 * 10, {data.EARLIEST_DECADE}) as decade, count(*) as tracks,
                round(sum(sum(release_year)) over (partition by genre) / sum(count(*)) over (partition by genre), 1)
                    as mean_year
            from marts.track_details inner join marts.clean_tracks using (spotify_track_id)
            where release_year is not null and genre is not null
            group by genre, decade order by mean_year, genre, decade
        """,
        draw=data.decades,
        count=sum_of("tracks"),
        no_rows="no track has a release date and a genre, because the source gives none.",
    ),
    Chart(
        key="distribution",
        section="The sound",
        name="Distribution of each feature",
        how_to_read="Grey is all tracks, blue the genre that you choose, both as shares of their tracks. Where the two "
        "part, the genre can be heard.",
        rows=CLEAN,
        query=f"""
            select coalesce(genre, '{ALL}') as genre, feature, 5 * ((bin - 1) // 5) + 1 as bin,
                round(min(lower_bound - (bin - 1) % 5 * (upper_bound - lower_bound)), 6) + 0 as lower_bound, -- no -0
                round(min(lower_bound + (5 - (bin - 1) % 5) * (upper_bound - lower_bound)), 6) + 0 as upper_bound,
                cast(sum(tracks) as bigint) as tracks
            from marts.feature_distribution where feature not in ({DISCRETE})
            group by genre, feature, (bin - 1) // 5
            union all
            select coalesce(genre, '{ALL}'), feature, bin, ceil(lower_bound - 1e-6) + 0, ceil(lower_bound - 1e-6) + 0,
                tracks
            from marts.feature_distribution where feature in ({DISCRETE})
            order by genre, feature, bin
        """,
        draw=data.distributions,
        count=pooled,
        choose="genre",
    ),
    Chart(
        key="boxes",
        section="The sound",
        name="Genres by one feature",
        how_to_read="The box holds half of a genre's tracks, the whiskers nine in ten; the line in the box is the "
        "median. Read off 100 bins: right to a hundredth of the axis.",
        rows=CLEAN,
        query=f"""
            select coalesce(genre, '{ALL}') as genre, feature, lower_bound, upper_bound, tracks
            from marts.feature_distribution where feature not in ({DISCRETE})
            order by genre, feature, bin
        """,
        prepare=data.quantiles,
        draw=data.boxes,
        count=pooled,
        choose="feature",
        search=True,
    ),
    Chart(
        key="correlation",
        section="The sound",
        name="Which features go together",
        how_to_read="Blue pairs rise together, orange pairs go opposite ways, pale pairs have little to do with each "
        "other. A number without a unit, −1 to 1.",
        rows="n = {n:,} clean tracks; fewer where one of the two is unknown",
        query="select feature, other_feature, tracks, correlation from marts.feature_correlation order by all",
        draw=data.correlation,
        count=lambda table: int(table["tracks"].max()),
    ),
    Chart(
        key="map",
        section="The sound",
        name="Genre map",
        how_to_read="Genres that lie close together sound alike on average. Axes are in standard deviations, and each "
        "end says what it sounds like. Choose a genre: lines lead to the five that are nearest over all features, "
        "which the flat map cannot always show.",
        rows="n = {n:,} clean tracks; means of eleven audio features per genre (not key and time signature), "
        "principal components",
        query="select genre, feature, mean, tracks from marts.genre_summary order by genre, feature",
        prepare=genres.map_table,
        draw=genres.genre_map,
        count=sum_of("tracks"),
        choose="genre",
    ),
    Chart(
        key="clusters",
        section="The sound",
        name="Which genres belong together",
        how_to_read="A row is a genre, a column one of four ways to make the same number of groups of the genres' mean "
        "sound; a number is the genre's group, the calm ones first. Where neighbouring rows have the same four "
        "numbers, all ways agree. The silhouette (−1 to 1) says how clearly the groups stand apart, the stability "
        "(1: the same) how they stay when the artists are drawn anew.",
        rows="n = {n:,} genres, by the means of eleven audio features of their clean tracks",
        query="select method, genre, cluster, clusters, silhouette, stability from ml.genre_clusters order by rowid",
        draw=genres.clusters,
        count=lambda table: int(table["genre"].nunique()),
        no_rows="there are too few genres to put into groups: it takes five.",
    ),
    Chart(
        key="popularity",
        section="The sound",
        name="What popularity follows from",
        how_to_read="R² is the share of the differences in popularity that a regression (gradient boosting) tells from "
        "what it is given. The circle is for artists that it has not seen, with its interval (95%); the diamond is for "
        "the tracks that it has learnt. The study's presentation had 0.41, on tracks learnt.",
        rows="n = {n:,} held-out tracks of known popularity, of artists that were not learnt",
        query="""
            select inputs, r2, r2_low, r2_high, r2_training, n_train, n_test, n_artists_test from ml.popularity_fits
            order by rowid
        """,
        draw=comparison.popularity,
        count=lambda table: first(table, "n_test"),
        no_rows="popularity is unknown, the same for all artists or all but a few, or there is one genre alone.",
    ),
    Chart(
        key="f1",
        section="The model",
        name="F1 of each genre",
        how_to_read="F1 is the harmonic mean of precision and recall: 1 is perfect, 0 is never right. The colour is "
        "the genre's family. Hover for precision and recall.",
        rows=HELD_OUT,
        query="""
            select genre, f1, precision, recall, support, n_train, n_tracks from ml.genre_scores
            where run_id = $run_id order by f1 desc, genre
        """,
        draw=model.f1,
        count=sum_of("support"),
        search=True,
        families=True,
    ),
    Chart(
        key="precision-recall",
        section="The model",
        name="Precision and recall",
        how_to_read="A circle is a genre's precision (the share right of the tracks predicted as it), a diamond its "
        "recall (the share of its own tracks predicted as it). Hover for the name. The study saw precision rise with a "
        "genre's tracks, and recall not, on rows that its model had been trained on; here no row was.",
        rows=HELD_OUT,
        query="""
            select genre, n_tracks, support, precision, recall from ml.genre_scores
            where run_id = $run_id order by n_tracks desc, genre
        """,
        draw=model.precision_recall,
        count=sum_of("support"),
    ),
    Chart(
        key="confusions",
        section="The model",
        name="Confusion matrix",
        how_to_read="A row is a genre, a column what its tracks were taken for; the diagonal is right. Genres with "
        "similar confusions sit together, so a strong block is a family that the model cannot tell apart. Drag over a "
        "part to zoom in, double-click to see all again.",
        rows=HELD_OUT,
        query="""
            select genre, predicted_genre, tracks from ml.confusions
            where run_id = $run_id and tracks > 0 order by genre, tracks desc, predicted_genre
        """,
        prepare=model.confusion_table,
        narrow=confusions_of,
        draw=model.confusions,
        count=sum_of("tracks"),
    ),
    Chart(
        key="runner-ups",
        section="The model",
        name="Runner-up genres",
        how_to_read="Choose a genre. A band's width is the mean probability that the genre's held-out tracks were "
        "given for the genre on its right; the twelve most probable are named.",
        rows=HELD_OUT,
        query="""
            select genre, predicted_genre, probability, n_tracks from ml.runner_ups
            where run_id = $run_id and n_tracks > 0 order by genre, probability desc, predicted_genre
        """,
        prepare=model.runner_up_table,
        draw=model.runner_ups,
        count=lambda table: int(table.drop_duplicates("genre")["n_tracks"].sum()),
        choose="genre",
    ),
    Chart(
        key="importances",
        section="The model",
        name="What the model listens to",
        how_to_read="How far top-1 falls when one feature is shuffled among the held-out tracks; the thin line is one "
        "standard deviation over the repeats. The study ranked features by how far each lowered the impurity of its "
        "forest on training rows, which favours features with many values, whether or not the guess is right.",
        rows=HELD_OUT,
        query="""
            select feature, importance, standard_deviation, repeats, n_tracks from ml.feature_importances
            where run_id = $run_id order by importance desc, feature
        """,
        draw=model.importances,
        count=lambda table: int(table["n_tracks"].max()),
    ),
    Chart(
        key="calibration",
        section="The model",
        name="Can its probabilities be trusted?",
        how_to_read="On the dotted line the model is right as often as it says. Below the line it is overconfident, "
        "above it underconfident. The bars below count the tracks.",
        rows=HELD_OUT,
        query="""
            select bin, lower_bound, upper_bound, tracks, mean_confidence, accuracy from ml.calibration
            where run_id = $run_id order by bin
        """,
        draw=model.calibration,
        count=sum_of("tracks"),
    ),
    Chart(
        key="sharing",
        section="The model",
        name="Is a wrong guess wrong?",
        how_to_read="All first guesses that are not the genre that a track is listed under first. A guess of the first "
        "kind is right by another listing of the very track. Of the second kind are guesses of a genre that has some "
        "track in common with the right one, which where genres overlap widely says little.",
        rows=HELD_OUT + ", right guesses among them",
        query="""
            with learnt as (select genre from ml.genre_scores where run_id = $run_id),
            overlap as (
                select genre, other_genre from marts.genre_overlap
                where genre in (from learnt) and other_genre in (from learnt)
            ),
            pairs as (from overlap union select other_genre, genre from overlap),
            judged as (
                select confused.*, pairs.genre is not null as shares_tracks
                from ml.confusions as confused
                left join pairs
                    on (confused.genre, confused.predicted_genre) = (pairs.genre, pairs.other_genre)
                where run_id = $run_id
            )
            select genre, sum(tracks)::bigint as tracks,
                coalesce(sum(tracks) filter (genre <> predicted_genre), 0)::bigint as wrong,
                coalesce(sum(also_listed) filter (genre <> predicted_genre), 0)::bigint as also_listed,
                coalesce(sum(tracks - also_listed) filter (genre <> predicted_genre and shares_tracks), 0)::bigint
                    as shares_tracks,
                (select count(*) // 2 from pairs) as pairs_that_share,
                (select n_genres * (n_genres - 1) // 2 from ml.model_runs where run_id = $run_id) as pairs
            from judged group by genre order by genre
        """,
        draw=sets.sharing,
        count=sum_of("tracks"),
    ),
    Chart(
        key="sets",
        section="The model",
        name="Do the sets keep their promise?",
        how_to_read="Each prediction comes with a set of genres: nine times in ten the right genre is among these. A "
        "dot is the share of a genre's tracks for which it was, and the dotted line what is promised of all genres "
        "together; of one genre it may be less. Half of the held-out artists set from which probability on a genre is "
        "in the set, and the tracks of the other half are counted here, and the reverse. Songs unlike these are "
        "promised nothing.",
        rows=HELD_OUT,
        query="""
            select genre, scores.coverage, scores.set_size, support, runs.coverage as coverage_of_all,
                runs.set_size as set_size_of_all, n_genres
            from ml.genre_scores as scores inner join ml.model_runs as runs using (run_id)
            where run_id = $run_id and scores.coverage is not null order by scores.coverage, genre
        """,
        draw=sets.coverage,
        count=sum_of("support"),
        search=True,
        no_rows="the run has no sets of genres: too few artists were held out, or the study's protocol has none.",
    ),
    Chart(
        key="models",
        section="Comparisons",
        name="Models compared",
        how_to_read="Higher is right more often, further left is cheaper. The thin line is the 95% interval. A model "
        "whose file was not kept has no point in the right panel.",
        rows=HELD_OUT + ", the same for every model",
        query="""
            select model, features, n_train, n_test, top_1, top_1_low, top_1_high, top_3, macro_f1, fit_seconds,
                predict_seconds, peak_mb, model_bytes, run_id
            from ml.model_runs
            where (dataset, tracks_digest, protocol, folds, held_out_digest) = (
                select (dataset, tracks_digest, protocol, folds, held_out_digest)
                from ml.model_runs where run_id = $run_id
            )
            qualify row_number() over (partition by model, features order by created_at desc) = 1
            order by top_1 desc, model
        """,
        draw=comparison.models,
        count=lambda table: first(table, "n_test"),
    ),
    Chart(
        key="protocols",
        section="Comparisons",
        name="Protocols side by side",
        how_to_read="A filled circle was measured here, with its 95% interval; an open diamond is what the study "
        "published for its own tracks, shown only beside runs of the same genres. Protocols cannot be compared: "
        "artist_grouped keeps an artist on one side, while the study's split by track, which lets a model recognise "
        "the artist, and study_2023_05 has ten genres only.",
        rows="n = {n:,} tracks tested in all, each counted once per run",
        query="""
            with runs as (
                select * from ml.model_runs
                where (dataset, tracks_digest)
                    = (select (dataset, tracks_digest) from ml.model_runs where run_id = $run_id)
                qualify row_number() over (partition by protocol, folds, model, features order by created_at desc) = 1
            ),
            measured as (
                unpivot (
                    select run_id, protocol, folds, model, features, n_test, top_1, top_2, top_3, top_4, macro_f1
                    from runs
                )
                on top_1, top_2, top_3, top_4, macro_f1 into name figure value value
            ),
            bounded as (
                select measured.*,
                    case figure when 'top_1' then top_1_low when 'top_2' then top_2_low when 'top_3' then top_3_low
                        when 'top_4' then top_4_low else macro_f1_low end as low,
                    case figure when 'top_1' then top_1_high when 'top_2' then top_2_high when 'top_3' then top_3_high
                        when 'top_4' then top_4_high else macro_f1_high end as high
                from measured inner join runs using (run_id)
            ),
            published as (
                select protocol, model, figure, value as published, note from ml.study_figures
                where figure in ('top_1', 'top_2', 'top_3', 'top_4', 'macro_f1')
                    and protocol in (select protocol from runs where has_study_genres)
            )
            select coalesce(bounded.protocol, published.protocol) as protocol, folds,
                coalesce(bounded.model, published.model) as model, features,
                coalesce(bounded.figure, published.figure) as figure, value, low, high, n_test, published, note, run_id
            from bounded full join published
                on (bounded.protocol, bounded.model, bounded.figure)
                = (published.protocol, published.model, published.figure)
            order by protocol, folds, model, features, figure
        """,
        draw=comparison.protocols,
        count=lambda table: int(table.drop_duplicates("run_id")["n_test"].sum()),
        choose="figure",
    ),
)
