"""Pictures and words of the catalog's pages."""
