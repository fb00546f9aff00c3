"""The stored log of an instance, shipped while it runs: see docs/repository-format.md, section 8."""

from dataprotect.storage.logs.continuity import Stretch, stretches
from dataprotect.storage.logs.model import (
    DifferentLog,
    Heartbeat,
    LogHeader,
    LogKind,
    LogObject,
    MissingLog,
    ReadPlain,
    Shipped,
    Stream,
)
from dataprotect.storage.logs.reader import LogReader
from dataprotect.storage.logs.writer import LogWriter, parents

__all__ = [
    "DifferentLog",
    "Heartbeat",
    "LogHeader",
    "LogKind",
    "LogObject",
    "LogReader",
    "LogWriter",
    "MissingLog",
    "ReadPlain",
    "Shipped",
    "Stream",
    "Stretch",
    "parents",
    "stretches",
]
