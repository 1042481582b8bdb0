{#- The audio features, by name and in the study's order, each with its type, unit and range: the list in dbt_project.yml. -#}
{% macro audio_features() %}{{ return(var('audio_features')) }}{% endmacro %}


{#- The numbers of a track: its audio features, and then popularity, which is no audio feature. -#}
{% macro track_numbers() %}
    {% set numbers = {} %}
    {% do numbers.update(var('audio_features')) %}
    {% do numbers.update({'popularity': var('popularity')}) %}
    {{ return(numbers) }}
{% endmacro %}


{#- The audio features on a continuous scale. Those of type integer (key, mode, time_signature) are categories or counts. -#}
{% macro continuous_features() %}
    {% set names = [] %}
    {% for name, feature in audio_features().items() if feature.type != 'integer' %}{% do names.append(name) %}{% endfor %}
    {{ return(names) }}
{% endmacro %}


{#- The study's columns: two listings that are equal in all of them are exact repeats. -#}
{% macro study_columns() %}
    {{ return((audio_features() | list) + ['artist_name', 'song_name', 'genre', 'spotify_track_id', 'popularity']) }}
{% endmacro %}


{#- The clean tracks, turned into one row per track and feature that is known. -#}
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
