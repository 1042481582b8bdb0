{#-
    The audio features and their types, in the study's order. Their ranges and units stand in the seed
    audio_feature_ranges, which Python reads too.
-#}
{% macro audio_features() %}
    {{ return({
        'danceability': 'double', 'energy': 'double', 'key': 'integer', 'loudness': 'double', 'mode': 'integer',
        'speechiness': 'double', 'acousticness': 'double', 'instrumentalness': 'double', 'liveness': 'double',
        'valence': 'double', 'tempo': 'double', 'duration_ms': 'bigint', 'time_signature': 'integer',
    }) }}
{% endmacro %}


{#- The study's columns: two listings that are equal in all of them are exact repeats. -#}
{% macro study_columns() %}
    {{ return((audio_features() | list) + ['artist_name', 'song_name', 'genre', 'spotify_track_id', 'popularity']) }}
{% endmacro %}


{#- The features that are measured on a scale; key, mode, time_signature and popularity are counts and categories. -#}
{% macro continuous_features() %}
    {% set names = [] %}
    {% for feature, type in audio_features().items() if type != 'integer' %}{% do names.append(feature) %}{% endfor %}
    {{ return(names) }}
{% endmacro %}


{#- The clean tracks with one row a track and feature that is known. -#}
{% macro features_of_tracks(features) -%}
    select
        spotify_track_id,
        genre,
        dataset,
        is_synthetic,
        feature,
        value
    from {{ ref('clean_tracks') }}
    unpivot (value for feature in ({{ features | join(', ') }}))
{%- endmacro %}


{#- The exact quantile, interpolated between neighbours. -#}
{% macro quantile(column, share) %}{{ return(adapter.dispatch('quantile')(column, share)) }}{% endmacro %}

{% macro duckdb__quantile(column, share) -%}quantile_cont({{ column }}, {{ share }}){%- endmacro %}

{% macro spark__quantile(column, share) -%}percentile({{ column }}, {{ share }}){%- endmacro %}


{#- The texts of a group, sorted and joined by commas. -#}
{% macro sorted_list(column) %}{{ return(adapter.dispatch('sorted_list')(column)) }}{% endmacro %}

{% macro duckdb__sorted_list(column) -%}string_agg({{ column }}, ', ' order by {{ column }}){%- endmacro %}

{% macro spark__sorted_list(column) -%}array_join(array_sort(collect_list({{ column }})), ', '){%- endmacro %}
