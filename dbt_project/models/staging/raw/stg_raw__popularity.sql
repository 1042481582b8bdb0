with source as (
    select documents.*
    from {{ source('raw', 'popularity') }} as documents
    inner join {{ ref('stg_raw__datasets') }} as active on documents.dataset = active.dataset
),

parsed as (
    select
        *,
        {{ parse_json_object('payload', ['popularity']) }} as document
    from source
),

renamed as (
    select
        dataset,
        source,
        track_id as requested_track_id,
        {{ to_number('document.popularity', 'integer') }} as popularity,
        {{ not_a_number('popularity', 'document.popularity', 'integer') }} as popularity_problem,
        batch_id,
        extracted_at
    from parsed
)

select * from renamed
