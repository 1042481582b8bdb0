with source as (
    select
        documents.*,
        active.is_synthetic,
        active.is_labelled
    from {{ source('raw', 'tracks') }} as documents
    inner join {{ ref('stg_raw__datasets') }} as active on documents.dataset = active.dataset
),

parsed as (
    select
        *,
        {{ parse_json_object(
            'payload',
            ['id', 'name', 'duration_ms', 'popularity', 'explicit', 'disc_number', 'track_number', 'genre_tags'],
            objects={
                'album': ['id', 'name', 'album_type', 'total_tracks', 'release_date', 'release_date_precision'],
                'external_ids': ['isrc'],
            },
            lists={'artists': ['id', 'name']}
        ) }} as document
    from source
),

dated as (
    select
        *,
        {{ release_date_text('document.album.release_date', 'document.album.release_date_precision') }} as released
    from parsed
),

renamed as (
    select
        listing_id,
        dataset,
        is_synthetic,
        is_labelled,
        source,
        nullif(genre, '') as genre,
        artist_id,
        artist_name,
        track_id as requested_track_id,
        document is not null as is_readable,
        {{ unless_blank('document.id') }} as spotify_track_id,
        document.name as song_name,
        document.artists,
        {{ to_number('document.duration_ms', 'bigint') }} as duration_ms,
        {{ not_a_number('duration_ms', 'document.duration_ms', 'bigint') }} as duration_ms_problem,
        {{ to_number('document.popularity', 'integer') }} as popularity,
        {{ not_a_number('popularity', 'document.popularity', 'integer') }} as popularity_problem,
        {{ unless_blank('document.external_ids.isrc') }} as isrc,
        case lower(document.explicit) when 'true' then true when 'false' then false end as is_explicit,
        {{ whole_number('document.disc_number', minimum=1) }} as disc_number,
        {{ whole_number('document.track_number', minimum=1) }} as track_number,
        {{ unless_blank('document.album.id') }} as album_id,
        {{ unless_blank('document.album.name') }} as album_name,
        {{ unless_blank('document.album.album_type') }} as album_type,
        {{ whole_number('document.album.total_tracks', minimum=1) }} as album_total_tracks,
        {{ unless_blank('document.genre_tags') }} as genre_tags,
        {{ first_day('released') }} as release_date,
        {{ precision_of_day('released') }} as release_date_precision,
        extracted_at
    from dated
)

select * from renamed
