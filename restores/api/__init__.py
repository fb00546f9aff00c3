"""The API of restores; addresses stand in dataprotect/urls.py."""

from restores.api.clones import clones, folders

__all__ = ["clones", "folders"]
