with source as (
    select documents.*
    from {{ source('raw', 'artists') }} as documents
    inner join {{ ref('stg_raw__datasets') }} as active on documents.dataset = active.dataset
),

parsed as (
    select
        *,
        {{ parse_json_object(
            'payload',
            ['id', 'name', 'popularity'],
            objects={'followers': ['total']},
            lists={'genres': []}
        ) }} as document
    from source
),

renamed as (
    select
        dataset,
        source,
        genre,
        coalesce({{ unless_blank('document.id') }}, artist_id) as artist_id,
        {{ unless_blank('document.name') }} as artist_name,
        {{ whole_number('document.followers.total', minimum=0) }} as followers,
        {{ whole_number('document.popularity', minimum=0, maximum=100) }} as popularity,
        document.genres as spotify_genres,
        batch_id,
        extracted_at
    from parsed
)

select * from renamed
