{#-
    Where nothing was landed yet, one sentence says so, instead of views that fail one after another. A hook: it runs
    before every `dbt run`, `dbt build` and `dbt test`.
-#}
{% macro require_raw_documents() %}
    {% if execute and flags.WHICH in ('run', 'build', 'test') %}
        {% set datasets = source('raw', 'datasets') %}
        {% do adapter.dispatch('attach_raw_documents')() %}
        {% if not relation_exists(datasets) or run_query('select 1 from ' ~ datasets ~ ' where is_active') | length == 0 %}
            {% do exceptions.raise_compiler_error(adapter.dispatch('no_raw_documents')()) %}
        {% endif %}
    {% endif %}
{% endmacro %}

{% macro duckdb__no_raw_documents() %}
    {{ return('No raw documents in ' ~ (target.path or target.database) ~ ': run `make run`, or `song-genres import FILE`, first.') }}
{% endmacro %}


{#-
    Whether there is such a table. dbt's own load_relation would open a transaction, which dbt rolls back at the end of
    the hooks, and with it the record that begin_build makes.
-#}
{% macro relation_exists(relation) %}{{ return(adapter.dispatch('relation_exists')(relation)) }}{% endmacro %}

{% macro duckdb__relation_exists(relation) %}
    {{ return(run_query(
        "select 1 from information_schema.tables where table_schema = '" ~ relation.schema
        ~ "' and table_name = '" ~ relation.identifier ~ "'"
    ) | length > 0) }}
{% endmacro %}


{#- On DuckDB the raw documents are tables of the warehouse already. -#}
{% macro duckdb__attach_raw_documents() %}{% endmacro %}
