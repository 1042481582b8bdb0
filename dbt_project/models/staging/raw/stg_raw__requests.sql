with source as (
    select
        requests.*,
        active.is_synthetic
    from {{ source('raw', 'requests') }} as requests
    inner join {{ ref('stg_raw__datasets') }} as active on requests.dataset = active.dataset
),

renamed as (
    select
        dataset,
        is_synthetic,
        source,
        endpoint,
        request,
        status,
        attempts,
        waited_seconds,
        elapsed_seconds,
        requested_at
    from source
)

select * from renamed
