"""Bring a backup back with nothing but the repository and the key: no Django, no catalog, no dashboard."""
