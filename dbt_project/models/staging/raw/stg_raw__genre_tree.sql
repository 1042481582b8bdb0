with source as (
    select
        genre_tree.*,
        active.is_synthetic
    from {{ source('raw', 'genre_tree') }} as genre_tree
    inner join {{ ref('stg_raw__datasets') }} as active on genre_tree.dataset = active.dataset
),

renamed as (
    select
        genre_id,
        dataset,
        is_synthetic,
        genre,
        parent_id,
        top_level_id,
        depth,
        tracks as source_tracks
    from source
)

select * from renamed
