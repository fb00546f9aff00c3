"""The installation of the catalog's tests serves here too."""

from tests.catalog.conftest import installation, migrated_database

__all__ = ["installation", "migrated_database"]
