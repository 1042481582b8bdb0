with tree as (
    select * from {{ ref('stg_raw__genre_tree') }}
),

listed as (
    select
        genre,
        count(*) as tracks
    from {{ ref('track_genres') }}
    group by genre
)

select
    tree.genre_id,
    tree.genre,
    tree.parent_id,
    parents.genre as parent,
    top_levels.genre as top_level,
    tree.depth,
    coalesce(listed.tracks, 0) as tracks,
    tree.source_tracks,
    tree.dataset,
    tree.is_synthetic
from tree
left join tree as parents on tree.parent_id = parents.genre_id
inner join tree as top_levels on tree.top_level_id = top_levels.genre_id
left join listed on tree.genre = listed.genre
