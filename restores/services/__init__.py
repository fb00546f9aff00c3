"""Bringing backups back. What a job does (`…_run`) is imported by the tasks alone."""

from restores.services.clone import clone_drop_start, clone_start, clone_sweep
from restores.services.restore_files import restore_files_start

__all__ = ["clone_drop_start", "clone_start", "clone_sweep", "restore_files_start"]
