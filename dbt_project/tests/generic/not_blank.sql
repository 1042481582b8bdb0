{#- Text has at least one character other than a space. NULL passes: unknown is not blank. -#}
{% test not_blank(model, column_name) %}
    select {{ column_name }}
    from {{ model }}
    where {{ trimmed(column_name) }} = ''
{% endtest %}
