with documents as (
    select * from {{ ref('stg_raw__popularity') }}
    where popularity is not null or popularity_problem is not null
)

select
    requested_track_id,
    popularity,
    popularity_problem
from documents
qualify
    row_number() over (
        partition by requested_track_id
        order by extracted_at desc, batch_id desc, popularity asc nulls last, popularity_problem asc nulls last
    ) = 1
