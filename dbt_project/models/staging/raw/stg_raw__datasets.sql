with source as (
    select * from {{ source('raw', 'datasets') }}
),

renamed as (
    select
        dataset,
        source,
        is_synthetic,
        source not like 'songs:%' as is_labelled,
        landed_at
    from source
    where is_active
)

select * from renamed
