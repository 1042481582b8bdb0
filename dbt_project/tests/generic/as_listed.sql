{#- Each row's `columns` are those of its listing: no value changed, or came from another row, on the way to the mart. -#}
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
