{#-
  The column is NULL in every row or in none: a feature that the source does not give is unknown of all tracks. With
  where_labelled, tracks without a genre, from which nothing is learnt, do not count.
-#}
{% test known_or_unknown_throughout(model, column_name, where_labelled=false) %}
    select count({{ column_name }}) as known
    from {{ model }}
    {{ 'where genre is not null' if where_labelled }}
    having count({{ column_name }}) not in (0, count(*))
{% endtest %}
