{#- One sentence instead of a failing view where nothing was landed yet. Runs before every `dbt run`, `build` and `test`. -#}
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

{% macro spark__no_raw_documents() %}
    {{ return('No raw documents in ' ~ raw_export_path() ~ ': run `song-genres export-raw` first.') }}
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

{#- attach_raw_documents has just made it. -#}
{% macro spark__relation_exists(relation) %}{{ return(true) }}{% endmacro %}


{#- DuckDB has the documents in the warehouse itself. -#}
{% macro duckdb__attach_raw_documents() %}{% endmacro %}

{#-
    On Spark the raw tables are the Parquet files of `song-genres export-raw`, with the columns that the sources name. They
    hold the genre themselves, as it is; the folders' names are for people, so the files are looked for, not the folders
    read. A folder that is missing is an empty table.
-#}
{% macro spark__attach_raw_documents() %}
    {% do run_query('create schema if not exists raw') %}
    {% for node in graph.sources.values() if node.source_name == 'raw' %}
        {% set columns = [] %}
        {% for name, column in node.columns.items() %}{% do columns.append(name ~ ' ' ~ column.data_type) %}{% endfor %}
        {% set table = source('raw', node.name) %}
        {% do run_query('drop table if exists ' ~ table) %}
        {% do run_query(
            'create table ' ~ table ~ ' (' ~ columns | join(', ') ~ ") using parquet options (recursiveFileLookup 'true') location '"
            ~ raw_export_path() ~ '/' ~ node.name ~ "'"
        ) %}
    {% endfor %}
{% endmacro %}

{#- Absolute, since Spark takes a table's relative path for one below its database. -#}
{% macro raw_export_path() %}
    {% set path = env_var('RAW_EXPORT_PATH', '') or 'data/raw' %}
    {% if path[0] != '/' and '://' not in path %}
        {% set path = run_query("select java_method('java.lang.System', 'getProperty', 'user.dir') as folder").rows[0][0] ~ '/' ~ path %}
    {% endif %}
    {{ return(path) }}
{% endmacro %}
