"""Settings: everything comes from the environment, every default is listed in docs/operations.md.

Importing this package makes the home folder and the secret key when they are not there yet, and raises
`ForeseenError` with one clear sentence for a value that cannot be used.
"""

from __future__ import annotations

import zoneinfo
from pathlib import Path

from dataprotect.settings import environment as env
from dataprotect.settings.database import database
from dataprotect.settings.home import prepare, secret_key
from dataprotect.settings.login import login
from dataprotect.settings.logs import logging_config
from dataprotect.settings.queue import cluster
from dataprotect.settings.security import CONTENT_SECURITY_POLICY as CONTENT_SECURITY_POLICY
from dataprotect.settings.security import security

BASE_DIR = Path(__file__).resolve().parent.parent.parent

# --- This installation
DATAPROTECT_HOME = prepare(env.path("DATAPROTECT_HOME", BASE_DIR / "var"))
SITE_NAME = env.text("SITE_NAME", "DataProtect")
# Where people reach the pages from outside, for links in messages: https://backup.example.org
SITE_URL = env.address("SITE_URL")
BIND = env.text("BIND", "127.0.0.1:8000")
WORKERS = env.number("WORKERS", 2, low=1, high=256)
CLUSTER_NAME = env.text("CLUSTER_NAME", "dataprotect")
EMERGENCY_STOP_FILE = env.path("EMERGENCY_STOP_FILE", Path("/tmp/BACKUP_EMERGENCY_STOP"))  # noqa: S108
CLONE_USER = env.text("CLONE_USER", "postgres")
CLONE_DIRECTORY = env.path("CLONE_DIRECTORY", DATAPROTECT_HOME / "clones")
# Where server programs lie that no distribution put there, for clones: 17=/opt/postgresql-17/bin,…
POSTGRESQL_BINARIES = env.names("POSTGRESQL_BINARIES")
LOCAL_REPOSITORY_PREFIXES = env.names(
    "LOCAL_REPOSITORY_PREFIXES",
    (str(DATAPROTECT_HOME), "/srv", "/mnt", "/media", "/backup", "/backups", "/data", "/opt", "/home",
     "/var/lib", "/var/backups", "/tmp", "/var/tmp"),  # noqa: S108
)  # fmt: skip
BUCKET_PREFIXES = env.names("BUCKET_PREFIXES", ("s3://",))
# Beginnings of the commands that may stop and start a server for a full system restore.
RESTORE_HOOKS = env.argument_lists("RESTORE_HOOKS")
JOB_LEASE_SECONDS = env.number("JOB_LEASE_SECONDS", 60, low=2, high=3600)
BACKUP_CHAIN_LIMIT = env.number("BACKUP_CHAIN_LIMIT", 30, low=1, high=100)
JOB_MAX_ATTEMPTS = env.number("JOB_MAX_ATTEMPTS", 3, low=1, high=20)
# Critical alerts nobody acknowledged are sent again this often; 0 never.
ALERT_REPEAT_MINUTES = env.number("ALERT_REPEAT_MINUTES", 60, low=0, high=7 * 24 * 60)
# Who may read /metrics and the reasons of /readyz: this bearer token, or these networks (loopback).
METRICS_TOKEN_FILE = env.path("METRICS_TOKEN_FILE", DATAPROTECT_HOME / "metrics_token")
METRICS_NETWORKS = env.networks("METRICS_NETWORKS", ("127.0.0.0/8", "::1/128"))
# Every stored object is read again within this many days.
SCRUB_DAYS = env.number("SCRUB_DAYS", 30, low=1, high=3650)
SCRUB_BYTES_PER_SECOND = env.number("SCRUB_BYTES_PER_SECOND", 0, low=0, high=10**12)
# A replication slot that makes a server keep more log than this is an alert; twice as much a critical one.
SLOT_RETAINED_LIMIT = env.number("SLOT_RETAINED_LIMIT", 16 << 30, low=1 << 20, high=1 << 50)
# Log streaming: seconds between slices and between heartbeats, what may wait on disk, how long a lease lasts.
LOG_SLICE_SECONDS = env.number("LOG_SLICE_SECONDS", 5, low=1, high=300)
LOG_HEARTBEAT_SECONDS = env.number("LOG_HEARTBEAT_SECONDS", 5, low=1, high=300)
LOG_SPOOL_BYTES = env.number("LOG_SPOOL_BYTES", 256 << 20, low=32 << 20, high=1 << 40)
LOG_LEASE_SECONDS = env.number("LOG_LEASE_SECONDS", 20, low=2, high=600)
LOG_STREAMS = env.number("LOG_STREAMS", 100, low=1, high=2000)
# Only functions below these modules may be named by a job row: a forged row cannot call anything else.
JOB_TASK_MODULES = ["dataprotect.ops.tasks", "catalog.tasks", "restores.tasks", "compliance.tasks"]

# --- Django
SECRET_KEY = secret_key(env.path("SECRET_KEY_FILE", DATAPROTECT_HOME / "secret_key"))
DEBUG = env.flag("DEBUG", False)
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", ("localhost", "127.0.0.1", "[::1]"))
CSRF_TRUSTED_ORIGINS = env.names("CSRF_TRUSTED_ORIGINS")
BEHIND_TLS = env.flag("BEHIND_TLS", not DEBUG)
globals().update(security(BEHIND_TLS))
# How old a password or a second factor may be where something dangerous is done.
STEP_UP_SECONDS = env.number("STEP_UP_SECONDS", 300, low=30, high=3600)
globals().update(login(SITE_NAME, STEP_UP_SECONDS))

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "guardian",
    "django_q",
    "django_htmx",
    "django_tables2",
    "django_filters",
    "template_partials",
    "csp",
    "bootstrap",
    "ninja",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "dataprotect.ops",
    "catalog",
    "restores",
    "compliance",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "dataprotect.ops.views.middleware.PreferenceMiddleware",
    "dataprotect.ops.views.middleware.ProveFirstMiddleware",
]

ROOT_URLCONF = "dataprotect.urls"
WSGI_APPLICATION = "dataprotect.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dataprotect.ops.views.navigation.dashboard",
            ],
        },
    },
]

DATABASES = {"default": database(DATAPROTECT_HOME)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
Q_CLUSTER = cluster(CLUSTER_NAME, WORKERS)
# Limits on signing in hold for all web workers together, so they are counted in the database. What the queue
# writes twice a second is read by nobody else: that stays in memory.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "ops_cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    },
    "queue": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
}

AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "guardian.backends.ObjectPermissionBackend",
]
ANONYMOUS_USER_NAME = None
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

EXPIRY_GRACE_DAYS = env.number("EXPIRY_GRACE_DAYS", 7, low=0, high=365)
CHANGE_REQUEST_HOURS = env.number("CHANGE_REQUEST_HOURS", 72, low=1, high=720)

LANGUAGE_CODE = "en"
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.text("TIME_ZONE", "UTC")
if TIME_ZONE not in zoneinfo.available_timezones():
    env.refuse("TIME_ZONE", "a name such as UTC or Europe/Berlin")

STATIC_URL = "static/"
STATIC_ROOT = DATAPROTECT_HOME / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Served straight from the packages that own them: there is no collectstatic step to forget.
WHITENOISE_USE_FINDERS = True

DJANGO_TABLES2_TEMPLATE = "django_tables2/bootstrap5.html"
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOGGING = logging_config(DATAPROTECT_HOME / "logs", LOG_LEVEL)
