{{ config(materialized='table') }}

with tracks as (
    select * from {{ ref('stg_raw__tracks') }}
),

features_of_listings as (
    select * from {{ ref('stg_raw__audio_features') }}
    where listing_id is not null
),

features_of_tracks as (
    select * from {{ ref('int_audio_features_latest') }}
),

popularity_of_tracks as (
    select * from {{ ref('int_popularity_latest') }}
),

-- In a dump the features belong to the listing, in a crawl to the track.
joined as (
    select
        tracks.listing_id,
        tracks.dataset,
        tracks.is_synthetic,
        tracks.is_labelled,
        tracks.genre,
        tracks.artist_name,
        tracks.requested_track_id,
        tracks.is_readable,
        tracks.spotify_track_id,
        tracks.song_name,
        tracks.artists,
        tracks.isrc,
        tracks.genre_tags,
        tracks.is_explicit,
        tracks.disc_number,
        tracks.track_number,
        tracks.album_id,
        tracks.album_name,
        tracks.album_type,
        tracks.album_total_tracks,
        tracks.release_date,
        tracks.release_date_precision,
        tracks.duration_ms as track_duration_ms,
        tracks.duration_ms_problem as track_duration_ms_problem,
        {% for column in (audio_features() | list) + ['is_empty_slot', 'problems'] %}
            case
                when features_of_listings.listing_id is not null then features_of_listings.{{ column }}
                else features_of_tracks.{{ column }}
            end as {{ column }},
        {% endfor %}
        case
            when popularity_of_tracks.requested_track_id is not null then popularity_of_tracks.popularity
            else tracks.popularity
        end as popularity,
        case
            when popularity_of_tracks.requested_track_id is not null then popularity_of_tracks.popularity_problem
            else tracks.popularity_problem
        end as popularity_problem
    from tracks
    left join features_of_listings on tracks.listing_id = features_of_listings.listing_id
    left join features_of_tracks on tracks.requested_track_id = features_of_tracks.requested_track_id
    left join popularity_of_tracks on tracks.requested_track_id = popularity_of_tracks.requested_track_id
),

final as (
    select
        listing_id,
        dataset,
        is_synthetic,
        is_labelled,
        {% for feature in audio_features() if feature != 'duration_ms' %}
            {{ feature }},
        {% endfor %}
        coalesce(duration_ms, track_duration_ms) as duration_ms,
        popularity,
        artist_name,
        song_name,
        genre,
        spotify_track_id,
        requested_track_id,
        artists,
        isrc,
        genre_tags,
        is_explicit,
        disc_number,
        track_number,
        album_id,
        album_name,
        album_type,
        album_total_tracks,
        release_date,
        release_date_precision,
        is_readable,
        coalesce(not is_empty_slot, false) as has_audio_features,
        is_empty_slot is not null as is_asked_about,
        nullif(concat_ws(
            '; ',
            problems,
            case when duration_ms is null and problems is null then track_duration_ms_problem end,
            popularity_problem
        ), '') as problems
    from joined
)

select * from final
