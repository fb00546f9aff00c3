"""The settings of a test run on PostgreSQL and Redis; test_on_postgresql_and_redis.py says where they are."""

import os

from dataprotect.settings.database import database
from dataprotect.settings.queue import cluster
from tests.settings import *  # noqa: F403
from tests.settings import CLUSTER_NAME, DATAPROTECT_HOME, WORKERS

os.environ["DATABASE_URL"] = os.environ["OPS_TESTS_DATABASE_URL"]
os.environ["BROKER_URL"] = os.environ["OPS_TESTS_BROKER_URL"]
DATABASES = {"default": database(DATAPROTECT_HOME)}
Q_CLUSTER = cluster(CLUSTER_NAME, WORKERS)
