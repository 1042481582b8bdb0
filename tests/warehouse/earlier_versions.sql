-- The tables that earlier versions of song-genres made, each version under the commit that first made them so.
-- Written from their own code; tests/warehouse/test_earlier_versions.py builds them.


-- version 9e7347f
create schema raw;
create table raw.datasets (dataset varchar primary key, source varchar not null, is_synthetic boolean not null,
    is_active boolean not null, content_sha256 varchar, landed_at timestamp not null);
create table raw.artists (dataset varchar not null, source varchar not null, genre varchar not null, artist_id
    varchar, payload varchar, batch_id varchar not null, extracted_at timestamp not null);
create table raw.tracks (dataset varchar not null, source varchar not null, genre varchar, artist_id varchar,
    artist_name varchar, track_id varchar, listing_id bigint not null, payload varchar, batch_id varchar not null,
    extracted_at timestamp not null);
create table raw.audio_features (dataset varchar not null, source varchar not null, track_id varchar, listing_id
    bigint, payload varchar, batch_id varchar not null, extracted_at timestamp not null);
create table raw.popularity (dataset varchar not null, source varchar not null, track_id varchar not null, payload
    varchar, batch_id varchar not null, extracted_at timestamp not null);
create table raw.unusable_responses (dataset varchar not null, source varchar not null, endpoint varchar, request
    varchar, reason varchar not null, payload varchar, batch_id varchar not null, extracted_at timestamp not null);
create table raw.requests (dataset varchar not null, source varchar not null, endpoint varchar not null, request
    varchar, status integer, attempts integer not null, waited_seconds double not null, elapsed_seconds double not
    null, requested_at timestamp not null, batch_id varchar not null);
create table raw.crawl (dataset varchar not null, stage varchar not null, item varchar not null, detail varchar,
    batch_id varchar not null, done_at timestamp not null);

-- version 7bb23c9
create schema raw;
create table raw.datasets (dataset varchar primary key, source varchar not null, is_synthetic boolean not null,
    is_active boolean not null, content_sha256 varchar, landed_at timestamp not null, reading varchar);
create table raw.artists (dataset varchar not null, source varchar not null, genre varchar not null, artist_id
    varchar, payload varchar, batch_id varchar not null, extracted_at timestamp not null);
create table raw.tracks (dataset varchar not null, source varchar not null, genre varchar, artist_id varchar,
    artist_name varchar, track_id varchar, listing_id bigint not null, payload varchar, batch_id varchar not null,
    extracted_at timestamp not null);
create table raw.audio_features (dataset varchar not null, source varchar not null, track_id varchar, listing_id
    bigint, payload varchar, batch_id varchar not null, extracted_at timestamp not null);
create table raw.popularity (dataset varchar not null, source varchar not null, track_id varchar not null, payload
    varchar, batch_id varchar not null, extracted_at timestamp not null);
create table raw.unusable_responses (dataset varchar not null, source varchar not null, endpoint varchar, request
    varchar, reason varchar not null, payload varchar, batch_id varchar not null, extracted_at timestamp not null);
create table raw.requests (dataset varchar not null, source varchar not null, endpoint varchar not null, request
    varchar, status integer, attempts integer not null, waited_seconds double not null, elapsed_seconds double not
    null, requested_at timestamp not null, batch_id varchar not null);
create table raw.crawl (dataset varchar not null, stage varchar not null, item varchar not null, detail varchar,
    batch_id varchar not null, done_at timestamp not null);

-- version 0b3936d
create schema raw;
create table raw.datasets (dataset varchar primary key, source varchar not null, is_synthetic boolean not null,
    is_active boolean not null, content_sha256 varchar, landed_at timestamp not null, reading varchar);
create table raw.artists (dataset varchar not null, source varchar not null, genre varchar not null, artist_id
    varchar, payload varchar, batch_id varchar not null, extracted_at timestamp not null);
create table raw.tracks (dataset varchar not null, source varchar not null, genre varchar, artist_id varchar,
    artist_name varchar, track_id varchar, listing_id bigint not null, payload varchar, batch_id varchar not null,
    extracted_at timestamp not null);
create table raw.audio_features (dataset varchar not null, source varchar not null, track_id varchar, listing_id
    bigint, payload varchar, batch_id varchar not null, extracted_at timestamp not null);
create table raw.popularity (dataset varchar not null, source varchar not null, track_id varchar not null, payload
    varchar, batch_id varchar not null, extracted_at timestamp not null);
create table raw.plays (dataset varchar not null, source varchar not null, listing_id bigint not null, month date not
    null, plays bigint not null, seconds bigint not null, batch_id varchar not null, extracted_at timestamp not null);
create table raw.unusable_responses (dataset varchar not null, source varchar not null, endpoint varchar, request
    varchar, reason varchar not null, payload varchar, batch_id varchar not null, extracted_at timestamp not null);
create table raw.requests (dataset varchar not null, source varchar not null, endpoint varchar not null, request
    varchar, status integer, attempts integer not null, waited_seconds double not null, elapsed_seconds double not
    null, requested_at timestamp not null, batch_id varchar not null);
create table raw.crawl (dataset varchar not null, stage varchar not null, item varchar not null, detail varchar,
    batch_id varchar not null, done_at timestamp not null);

-- version 9394ccc
create schema ml;
create table ml.model_runs (run_id varchar, dataset varchar, is_synthetic boolean, protocol varchar, model varchar,
    features varchar, seed integer, n_train integer, n_test integer, n_genres integer, n_genres_left_out integer,
    top_1 double, top_2 double, top_3 double, top_4 double, macro_f1 double, log_loss double, fit_seconds double,
    model_bytes bigint, model_path varchar, is_baseline boolean, is_published boolean, created_at timestamp);
create table ml.genre_scores (run_id varchar, genre varchar, n_tracks integer, n_train integer, support integer,
    precision double, recall double, f1 double, dataset varchar, is_synthetic boolean);
create table ml.runner_ups (run_id varchar, genre varchar, predicted_genre varchar, probability double, n_tracks
    integer, dataset varchar, is_synthetic boolean);
create table ml.genres_left_out (run_id varchar, genre varchar, n_tracks integer, reason varchar, dataset varchar,
    is_synthetic boolean);
create table ml.genre_predictions (run_id varchar, spotify_track_id varchar, rank integer, genre varchar, probability
    double, held_out boolean, dataset varchar, is_synthetic boolean);

-- version ec1fcae
create schema ml;
create table ml.calibration (run_id varchar, dataset varchar, is_synthetic boolean, bin integer, lower_bound double,
    upper_bound double, tracks integer, mean_confidence double, accuracy double);
create table ml.confusions (run_id varchar, dataset varchar, is_synthetic boolean, genre varchar, predicted_genre
    varchar, tracks integer);
create table ml.feature_importances (run_id varchar, dataset varchar, is_synthetic boolean, feature varchar,
    importance double, standard_deviation double, repeats integer, n_tracks integer);
create table ml.genre_predictions (run_id varchar, spotify_track_id varchar, rank integer, genre varchar, probability
    double, held_out boolean, dataset varchar, is_synthetic boolean);
create table ml.genre_scores (run_id varchar, dataset varchar, is_synthetic boolean, genre varchar, n_tracks integer,
    n_train integer, support integer, precision double, recall double, f1 double);
create table ml.genres_left_out (run_id varchar, dataset varchar, is_synthetic boolean, genre varchar, n_tracks
    integer, reason varchar);
create table ml.model_runs (run_id varchar, dataset varchar, is_synthetic boolean, protocol varchar, folds integer,
    model varchar, features varchar, seed integer, n_train integer, n_test integer, n_set_aside integer, n_genres
    integer, n_genres_left_out integer, n_artists_test integer, top_1 double, top_1_low double, top_1_high double,
    top_2 double, top_2_low double, top_2_high double, top_3 double, top_3_low double, top_3_high double, top_4
    double, top_4_low double, top_4_high double, macro_f1 double, macro_f1_low double, macro_f1_high double, log_loss
    double, log_loss_low double, log_loss_high double, ece double, fit_seconds double, predict_seconds double, peak_mb
    double, model_bytes bigint, model_path varchar, card_path varchar, notes varchar, is_baseline boolean,
    is_published boolean, created_at timestamp);
create table ml.runner_ups (run_id varchar, dataset varchar, is_synthetic boolean, genre varchar, predicted_genre
    varchar, probability double, summed_probability double, n_tracks integer);
create table ml.study_figures (protocol varchar, model varchar, figure varchar, value double, note varchar);
create table ml.surprises (run_id varchar, dataset varchar, is_synthetic boolean, kind varchar, rank integer,
    spotify_track_id varchar, song_name varchar, artist_name varchar, genre varchar, predicted_genre varchar,
    probability double);

-- version e72f4cf
create schema ml;
create table ml.calibration (run_id varchar, dataset varchar, is_synthetic boolean, bin integer, lower_bound double,
    upper_bound double, tracks integer, mean_confidence double, accuracy double);
create table ml.confusions (run_id varchar, dataset varchar, is_synthetic boolean, genre varchar, predicted_genre
    varchar, tracks integer);
create table ml.feature_importances (run_id varchar, dataset varchar, is_synthetic boolean, feature varchar,
    importance double, standard_deviation double, repeats integer, n_tracks integer);
create table ml.genre_predictions (run_id varchar, spotify_track_id varchar, rank integer, genre varchar, probability
    double, part varchar, dataset varchar, is_synthetic boolean);
create table ml.genre_scores (run_id varchar, dataset varchar, is_synthetic boolean, genre varchar, n_tracks integer,
    n_train integer, support integer, precision double, recall double, f1 double);
create table ml.genres_left_out (run_id varchar, dataset varchar, is_synthetic boolean, genre varchar, n_tracks
    integer, reason varchar);
create table ml.model_runs (run_id varchar, dataset varchar, is_synthetic boolean, tracks_digest varchar, protocol
    varchar, folds integer, model varchar, features varchar, seed integer, n_train integer, n_test integer,
    n_set_aside integer, n_genres integer, held_out_digest varchar, has_study_genres boolean, n_genres_left_out
    integer, n_artists_test integer, top_1 double, top_1_low double, top_1_high double, top_2 double, top_2_low
    double, top_2_high double, top_3 double, top_3_low double, top_3_high double, top_4 double, top_4_low double,
    top_4_high double, macro_f1 double, macro_f1_low double, macro_f1_high double, log_loss double, log_loss_low
    double, log_loss_high double, ece double, fit_seconds double, predict_seconds double, peak_mb double, model_bytes
    bigint, model_path varchar, card_path varchar, notes varchar, is_baseline boolean, is_published boolean,
    created_at timestamp);
create table ml.runner_ups (run_id varchar, dataset varchar, is_synthetic boolean, genre varchar, predicted_genre
    varchar, probability double, summed_probability double, n_tracks integer);
create table ml.splits (run_id varchar, fold integer, spotify_track_id varchar, part varchar);
create table ml.study_figures (protocol varchar, model varchar, figure varchar, value double, note varchar);
create table ml.surprises (run_id varchar, dataset varchar, is_synthetic boolean, kind varchar, rank integer,
    spotify_track_id varchar, song_name varchar, artist_name varchar, genre varchar, predicted_genre varchar,
    probability double);
create table ml.verdicts (dataset varchar, is_synthetic boolean, tracks_digest varchar, run_id varchar, may_publish
    boolean, finding varchar, decided_at timestamp);
