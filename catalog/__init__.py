"""Instances, databases, repositories, keys, backups, verification."""
