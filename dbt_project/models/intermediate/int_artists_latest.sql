with documents as (
    select * from {{ ref('stg_raw__artists') }}
    where artist_id is not null
)

-- Between two documents of one batch the contents decide, so that the order of the rows never does.
select
    artist_id,
    artist_name,
    followers,
    popularity,
    {{ joined_list('spotify_genres') }} as spotify_genres
from documents
qualify
    row_number() over (
        partition by artist_id
        order by
            extracted_at desc, batch_id desc, followers asc nulls last, popularity asc nulls last,
            artist_name asc nulls last, {{ joined_list('spotify_genres') }} asc nulls last
    ) = 1
