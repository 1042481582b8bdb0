{#- The column is NULL in every row or in none: a feature that the source does not give is unknown of all tracks. -#}
{% test known_or_unknown_throughout(model, column_name) %}
    select count({{ column_name }}) as known
    from {{ model }}
    having count({{ column_name }}) not in (0, count(*))
{% endtest %}
