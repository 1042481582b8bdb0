{#- One sentence instead of a failing view where nothing was landed yet. Runs before every `dbt run`, `build` and `test`. -#}
{% macro require_raw_documents() %}
    {% if execute and flags.WHICH in ('run', 'build', 'test') %}
        {% set datasets = load_relation(source('raw', 'datasets')) %}
        {% if datasets is none or run_query('select 1 from ' ~ datasets ~ ' where is_active') | length == 0 %}
            {% do exceptions.raise_compiler_error(
                'No raw documents in ' ~ (target.path or target.database) ~ ': run `make run`, or `song-genres import FILE`, first.'
            ) %}
        {% endif %}
    {% endif %}
{% endmacro %}
