{#- One sentence instead of a failing view where nothing was landed yet. Runs before every `dbt run`, `build` and `test`. -#}
{% macro require_raw_documents() %}
    {% if execute and flags.WHICH in ('run', 'build', 'test') %}
        {% set datasets = source('raw', 'datasets') %}
        {% if not relation_exists(datasets) or run_query('select 1 from ' ~ datasets ~ ' where is_active') | length == 0 %}
            {% do exceptions.raise_compiler_error(
                'No raw documents in ' ~ (target.path or target.database) ~ ': run `make run`, or `song-genres import FILE`, first.'
            ) %}
        {% endif %}
    {% endif %}
{% endmacro %}


{#-
    Whether there is such a table. dbt's own load_relation would open a transaction here, which dbt rolls back at the end
    of the hooks, and with it the tables that load_seeds makes.
-#}
{% macro relation_exists(relation) %}{{ return(adapter.dispatch('relation_exists')(relation)) }}{% endmacro %}

{% macro duckdb__relation_exists(relation) %}
    {{ return(run_query(
        "select 1 from information_schema.tables where table_schema = '" ~ relation.schema
        ~ "' and table_name = '" ~ relation.identifier ~ "'"
    ) | length > 0) }}
{% endmacro %}
