"""DataProtect: backs up, verifies and restores production databases, and proves that it can."""

import os

# numpy is asked for arrays here, never for linear algebra: starting that library's threads would cost every
# command more than importing all the rest of numpy does.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__ = "0.1.0"
