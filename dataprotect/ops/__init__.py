"""The Django app everyone leans on: jobs, the emergency stop, audit events, metrics, the queue."""
