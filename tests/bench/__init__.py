"""`make bench`: backup and restore beside pgBackRest and pg_basebackup, in one run, on one cluster.

Never a timed test: figures depend on the machine. tests/bench/test_bench.py only proves that it still runs.
"""
