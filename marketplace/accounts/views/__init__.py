"""Pages of accounts, by what a visitor does there."""
