"""The genre model, its held-out figures and its predictions as assets."""
