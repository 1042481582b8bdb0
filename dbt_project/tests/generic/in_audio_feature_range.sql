{#- A column named after an audio feature, within that feature's range (seed audio_feature_ranges). NULL passes. -#}
{% test in_audio_feature_range(model, column_name) %}
    select tested.{{ column_name }}
    from {{ model }} as tested
    inner join {{ ref('audio_feature_ranges') }} as ranges on ranges.feature = '{{ column_name }}'
    where tested.{{ column_name }} not between ranges.minimum and ranges.maximum
{% endtest %}
