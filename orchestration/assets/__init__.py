"""The assets, one module per layer: extract, warehouse, model, report."""
