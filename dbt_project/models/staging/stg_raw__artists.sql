with source as (
    select documents.*
    from {{ source('raw', 'artists') }} as documents
    inner join {{ ref('stg_raw__datasets') }} as active on documents.dataset = active.dataset
),

parsed as (
    select
        *,
        {{ parse_json_object('payload', ['id', 'name']) }} as document
    from source
),

renamed as (
    select
        dataset,
        source,
        genre,
        coalesce(document.id, artist_id) as artist_id,
        document.name as artist_name,
        extracted_at
    from parsed
)

select * from renamed
