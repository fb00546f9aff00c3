"""DataProtect: backs up, verifies and restores production databases, and proves that it can."""

__version__ = "0.1.0"
