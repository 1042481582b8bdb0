"""The assets, a module a layer: extract, warehouse, model, report."""
