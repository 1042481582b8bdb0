with source as (
    select
        plays.*,
        active.is_synthetic
    from {{ source('raw', 'plays') }} as plays
    inner join {{ ref('stg_raw__datasets') }} as active on plays.dataset = active.dataset
),

renamed as (
    select
        listing_id,
        dataset,
        is_synthetic,
        month,
        plays,
        seconds
    from source
)

select * from renamed
