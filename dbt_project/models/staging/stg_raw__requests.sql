with source as (
    select requests.*
    from {{ source('raw', 'requests') }} as requests
    inner join {{ ref('stg_raw__datasets') }} as active on requests.dataset = active.dataset
),

renamed as (
    select
        dataset,
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
