{% macro spark__no_raw_documents() %}
    {{ return('No raw documents in ' ~ raw_export_path() ~ ': run `song-genres export-raw` first.') }}
{% endmacro %}


{#- Always, since attach_raw_documents has just made it. -#}
{% macro spark__relation_exists(relation) %}{{ return(true) }}{% endmacro %}


{#-
    On Spark the raw tables are the Parquet files of `song-genres export-raw`, with the columns that the sources name. The
    files hold the genre as it is, while the folders' names are for people: so Spark looks for files in all folders, and
    takes no column from a folder's name. A missing folder is an empty table.
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
            ~ raw_export_path() | replace("\\", "\\\\") | replace("'", "\\'") ~ '/' ~ node.name ~ "'"
        ) %}
    {% endfor %}
{% endmacro %}


{#- An absolute path, since Spark takes a table's relative path to lie below its database's folder. -#}
{% macro raw_export_path() %}
    {% set path = env_var('RAW_EXPORT_PATH', '') or 'data/raw' %}
    {% if path[0] != '/' and '://' not in path %}
        {% set path = run_query("select java_method('java.lang.System', 'getProperty', 'user.dir') as folder").rows[0][0] ~ '/' ~ path %}
    {% endif %}
    {{ return(path) }}
{% endmacro %}
