"""What the worker processes of these tests run with: the product's settings, plus the tests' own tasks."""

from dataprotect.settings import *  # noqa: F403
from dataprotect.settings import JOB_TASK_MODULES

JOB_TASK_MODULES = [*JOB_TASK_MODULES, "tests.ops.chores"]

ROOT_URLCONF = "tests.ops.no_urls"
