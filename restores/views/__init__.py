"""Pages of restores."""
