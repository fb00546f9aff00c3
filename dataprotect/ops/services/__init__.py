"""Everything in `ops` that writes."""
