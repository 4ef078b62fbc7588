"""Pages of the catalog, by what a visitor does there."""
