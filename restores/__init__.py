"""Clones and restores to a folder today; requests, approvals and runs build on them."""
