"""The columns of the catalog's lists."""

from catalog.tables.alerts import AlertTable
from catalog.tables.backups import BackupTable, VerificationTable
from catalog.tables.instances import InstanceTable, RepositoryTable
from catalog.tables.jobs import JobTable
from catalog.tables.keeping import ChangeTable, HoldTable

__all__ = [
    "AlertTable",
    "BackupTable",
    "ChangeTable",
    "HoldTable",
    "InstanceTable",
    "JobTable",
    "RepositoryTable",
    "VerificationTable",
]
