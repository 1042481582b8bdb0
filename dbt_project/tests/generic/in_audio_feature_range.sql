{#- A column named after an audio feature (or popularity) is within its range in dbt_project.yml. NULL passes. -#}
{% test in_audio_feature_range(model, column_name) %}
    {% set number = track_numbers()[column_name] %}
    select {{ column_name }}
    from {{ model }}
    where {{ column_name }} not between {{ number.minimum }} and {{ number.maximum }}
{% endtest %}
