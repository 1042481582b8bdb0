with documents as (
    select * from {{ ref('stg_raw__audio_features') }}
    where listing_id is null
)

-- Between two documents of one batch the features themselves decide, so that the order of the rows never does.
select
    requested_track_id,
    is_empty_slot,
    {% for feature in audio_features() %}
        {{ feature }},
    {% endfor %}
    problems
from documents
qualify
    row_number() over (
        partition by requested_track_id
        order by
            extracted_at desc, batch_id desc, is_empty_slot asc,
            {{ audio_features() | join(' asc nulls last, ') }} asc nulls last, problems asc nulls last
    ) = 1
