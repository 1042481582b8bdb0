with source as (
    select documents.*
    from {{ source('raw', 'tracks') }} as documents
    inner join {{ ref('stg_raw__datasets') }} as active on documents.dataset = active.dataset
),

parsed as (
    select
        *,
        {{ parse_json_object(
            'payload',
            ['id', 'name', 'duration_ms', 'popularity'],
            lists={'artists': ['id', 'name']}
        ) }} as document
    from source
),

renamed as (
    select
        listing_id,
        dataset,
        source,
        nullif(genre, '') as genre,
        artist_id,
        artist_name,
        track_id as requested_track_id,
        document is not null as is_readable,
        case when {{ trimmed('document.id') }} <> '' then document.id end as spotify_track_id,
        document.name as song_name,
        document.artists,
        {{ to_number('document.duration_ms', 'bigint') }} as duration_ms,
        {{ not_a_number('duration_ms', 'document.duration_ms', 'bigint') }} as duration_ms_problem,
        {{ to_number('document.popularity', 'integer') }} as popularity,
        {{ not_a_number('popularity', 'document.popularity', 'integer') }} as popularity_problem,
        extracted_at
    from parsed
)

select * from renamed
