{%- set features = (audio_features() | list) + ['popularity'] -%}

-- All pairs in one scan; popularity and time_signature count where both are known.
with correlated as (
    select
        {% for feature in features %}
            {% for other in features[loop.index0:] %}
                corr({{ feature }}, {{ other }}) as {{ feature }}__{{ other }},
                count({{ feature }} + {{ other }}) as tracks__{{ feature }}__{{ other }},
            {% endfor %}
        {% endfor %}
        dataset,
        is_synthetic
    from {{ ref('clean_tracks') }}
    group by dataset, is_synthetic
),

pairs as (
    {% for feature in features %}
        {% for other in features[loop.index0:] %}
            select
                '{{ feature }}' as feature,
                '{{ other }}' as other_feature,
                tracks__{{ feature }}__{{ other }} as tracks,
                {{ feature }}__{{ other }} as correlation,
                dataset,
                is_synthetic
            from correlated
            {{ 'union all' if not loop.last }}
        {% endfor %}
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

mirrored as (
    select
        feature,
        other_feature,
        tracks,
        correlation,
        dataset,
        is_synthetic
    from pairs
    union all
    select
        other_feature as feature,
        feature as other_feature,
        tracks,
        correlation,
        dataset,
        is_synthetic
    from pairs
    where feature <> other_feature
)

-- A feature that is the same in all tracks correlates with nothing.
select
    feature,
    other_feature,
    tracks,
    case when not isnan(correlation) then correlation end as correlation,
    dataset,
    is_synthetic
from mirrored
where tracks > 0
