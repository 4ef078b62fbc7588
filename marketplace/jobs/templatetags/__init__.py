"""Template tags of the pages about jobs."""
