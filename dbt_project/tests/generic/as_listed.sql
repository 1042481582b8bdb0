{#- The `columns` of each row equal those of its listing: on the way to the mart no value changed or came from another row. -#}
{% test as_listed(model, columns) %}
    select tested.listing_id
    from {{ model }} as tested
    left join {{ ref('int_listings_joined') }} as listings on tested.listing_id = listings.listing_id
    where
        listings.listing_id is null
        {% for column in columns %}
            or tested.{{ column }} is distinct from listings.{{ column }}
        {% endfor %}
{% endtest %}
