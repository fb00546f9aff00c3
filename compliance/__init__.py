"""Audit pages and evidence."""
