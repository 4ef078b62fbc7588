"""One settings module. Every value comes from the environment, with a default for one machine."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import dj_database_url
from csp.constants import NONE, SELF
from kombu import Exchange, Queue

from marketplace import env
from marketplace.matching.describing import shut_workers

BASE_DIR = Path(__file__).resolve().parent.parent
HOME = env.home("MOORAGE_HOME", BASE_DIR / "var")

DEBUG = env.flag("MOORAGE_DEBUG", False)
SECRET_KEY = env.secret_key(HOME)
SECRET_KEY_FALLBACKS = env.names("MOORAGE_SECRET_KEY_FALLBACKS", "")  # keys of before, that still open what they signed and sealed
PUBLIC_URL = env.url("MOORAGE_PUBLIC_URL", "http://127.0.0.1:8000", schemes={"http", "https"}).rstrip("/")
ALLOWED_HOSTS = env.names("MOORAGE_ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SECURE = urlsplit(PUBLIC_URL).scheme == "https"
BEHIND_PROXY = env.flag("MOORAGE_BEHIND_PROXY", False)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "csp",
    "marketplace.accounts",
    "marketplace.catalog",
    "marketplace.matching",
    "marketplace.jobs",
    "marketplace.hub",
    "marketplace.demo",
    "marketplace.handbook",
    "marketplace.operations",
]

MIDDLEWARE = [
    "marketplace.rest.RequestId",
    "marketplace.accounts.origins.Noted",
    "marketplace.operations.metrics.Measured",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "marketplace.accounts.middleware.StaffNeedASecondFactor",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "marketplace.rest.NoZeroBytes",
]

ROOT_URLCONF = "marketplace.urls"
ASGI_APPLICATION = "marketplace.asgi.application"
WSGI_APPLICATION = "marketplace.wsgi.application"

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
                "csp.context_processors.nonce",
                "marketplace.accounts.notices.bell",
            ],
        },
    }
]

# --- bytes and rows -------------------------------------------------------------------------

DATABASES = {"default": dj_database_url.parse(env.text("MOORAGE_DATABASE_URL", f"sqlite:///{HOME}/db.sqlite3"))}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # WAL + IMMEDIATE: 0 locked errors where Django's defaults gave 26 to 71 % (docs/decisions/0001).
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
        "PRAGMA foreign_keys=ON; PRAGMA busy_timeout=20000",
    }
WEB_THREADS = env.number("MOORAGE_WEB_THREADS", 4)  # of one process, which has one interpreter lock for all; each keeps a connection to the database
WEB_QUEUE = env.number("MOORAGE_WEB_QUEUE", 200)  # requests of one process that may wait for a thread; beyond, 503
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {
    "default": env.cache(env.text("MOORAGE_CACHE_URL", "database://")),
    "process": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "process", "OPTIONS": {"MAX_ENTRIES": 20_000}},  # what each process counts for itself
}
# What proposes neighbours: faiss: in each process, or a Milvus that several machines share.
INDEX_URL = env.url("MOORAGE_INDEX_URL", "faiss:", schemes={"faiss", "milvus"})
STORAGE_URL = env.url("MOORAGE_STORAGE_URL", f"file://{HOME}/storage", schemes={"file", "s3"})

# --- who ------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["marketplace.accounts.backends.People"]
# Argon2id for what is hashed from now on; a password that PBKDF2 hashed is hashed again when its person signs in.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "mine"
LOGOUT_REDIRECT_URL = "home"
SESSION_ENGINE = "marketplace.accounts.sessions"
SESSION_COOKIE_AGE = env.number("MOORAGE_SESSION_DAYS", 14) * 86_400
PASSWORD_RESET_TIMEOUT = env.number("MOORAGE_LINK_HOURS", 24) * 3_600  # how long a link in a mail works
LOCKOUT_TRIES = env.number("MOORAGE_LOCKOUT_TRIES", 10)  # wrong passwords of one name from one address, or wrong codes of one person
LOCKOUT_MINUTES = env.number("MOORAGE_LOCKOUT_MINUTES", 15)
ACCOUNTS_PER_ADDRESS = env.number("MOORAGE_ACCOUNTS_PER_ADDRESS", 20)  # made one after another, until the address rests for as long
STAFF_SECOND_FACTOR = env.flag("MOORAGE_STAFF_SECOND_FACTOR", SECURE)  # on where the market is reached over https
vars().update(env.mail(env.text("MOORAGE_EMAIL_URL", "console:")))  # EMAIL_BACKEND, EMAIL_HOST, ...
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text("MOORAGE_EMAIL_FROM", f"moorage@{urlsplit(PUBLIC_URL).hostname}")
KNOX_TOKEN_MODEL = "accounts.ApiToken"
REST_KNOX = {
    "TOKEN_MODEL": "accounts.ApiToken",
    "TOKEN_TTL": timedelta(days=365),
    "TOKEN_PREFIX": "moor_",
    "AUTH_HEADER_PREFIX": "Token",
}

# --- doors ----------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "marketplace.accounts.authentication.ScopedToken",
        "marketplace.accounts.authentication.Session",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["marketplace.accounts.permissions.HasScope"],
    "DEFAULT_PARSER_CLASSES": ["marketplace.parsers.StrictJson", "rest_framework.parsers.MultiPartParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "marketplace.negotiation.AnyAccept",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "marketplace.rest.answer",
    "DEFAULT_THROTTLE_RATES": {"tokens": env.text("MOORAGE_RATE_TOKENS", "20/min"), "device": env.text("MOORAGE_RATE_DEVICE", "120/min")},
    # The address of whoever asks: never one that they wrote into a header themselves (accounts/origins.py).
    "NUM_PROXIES": 1 if BEHIND_PROXY else 0,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Moorage",
    "DESCRIPTION": "A marketplace of machine-learning models that is searched with data.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "AccessState": "marketplace.catalog.models.AccessRequest.State",
        "AccessDecided": "marketplace.catalog.serializers.DECISIONS",
        "AccessStands": "marketplace.catalog.serializers.STANDINGS",
        "JobStatus": "marketplace.jobs.models.ReuseJob.Status",
        "WantedState": "marketplace.matching.models.Wanted.State",
        "VersionStatus": "marketplace.catalog.models.Version.Status",
        "ReportState": "marketplace.catalog.models.Report.State",
    },
}

MAX_MODEL_BYTES = env.number("MOORAGE_MAX_MODEL_MB", 512) * 2**20
MAX_SPECIFICATION_BYTES = 32 * 2**20
MAX_DATA_BYTES = env.number("MOORAGE_MAX_DATA_MB", 64) * 2**20
UPLOADS_UNFINISHED = env.number("MOORAGE_UPLOADS_UNFINISHED", 20)  # of one person at once
UPLOAD_BYTES_EACH = env.number("MOORAGE_UPLOAD_MB_EACH", 2048) * 2**20  # what one person's files on their way in may take
QUOTA_BYTES = env.number("MOORAGE_QUOTA_GB", 20) * 2**30  # what one account may keep in the store, files on their way in included
UPLOAD_HOURS = env.number("MOORAGE_UPLOAD_HOURS", 24)  # after its last byte an upload is kept so long
DRAFTS_EACH = env.number("MOORAGE_DRAFTS_EACH", 50)
DRAFT_DAYS = env.number("MOORAGE_DRAFT_DAYS", 30)
MATCH_DAYS = env.number("MOORAGE_MATCH_DAYS", 90)  # a search that nobody signed in for is kept so long
MATCH_BYTES = env.number("MOORAGE_MATCH_GB", 5) * 2**30  # and all of them together may take so much
SEARCHED_BYTES_HOUR = env.number("MOORAGE_MATCH_MB_HOUR", 20) * 2**20  # of one address, within an hour
RATE_SEARCHES = env.rate("MOORAGE_RATE_SEARCHES", "60/min")  # with data; of one person or address, and of one web process
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_SPECIFICATION_BYTES + 2**20
FILE_UPLOAD_PERMISSIONS = 0o600

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
        "manifest-src": [SELF],
    }
}
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SECURE_SSL_REDIRECT = env.flag("MOORAGE_SSL_REDIRECT", SECURE)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
SECURE_HSTS_SECONDS = 31536000 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE

STATIC_URL = "/static/"
STATIC_ROOT = HOME / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_ADD_HEADERS_FUNCTION = shut_workers
STATICFILES_DIRS = [BASE_DIR / "marketplace" / "static"]

LANGUAGES = env.languages("MOORAGE_LANGUAGES", "en")
LANGUAGE_CODE = LANGUAGES[0][0]
LOCALE_PATHS = [BASE_DIR / "locale", HOME / "locale"]
# English is what the sources say: where it is the only language nothing is looked up, which saves 10 us a word.
USE_I18N = [code for code, _ in LANGUAGES] != ["en"]
NUMBER_GROUPING = 3  # what English has anyway, for when it is not looked up
if USE_I18N:
    MIDDLEWARE.insert(MIDDLEWARE.index("django.middleware.common.CommonMiddleware"), "marketplace.languages.PageLanguage")
TIME_ZONE = "UTC"
USE_TZ = True

# --- jobs -----------------------------------------------------------------------------------

CELERY_BROKER_URL, CELERY_BROKER_TRANSPORT_OPTIONS = env.broker(
    env.url("MOORAGE_BROKER_URL", "filesystem://?poll=0.1", schemes={"filesystem", "redis", "rediss", "amqp", "amqps", "memory"}),
    HOME,
)
CELERY_TASK_ALWAYS_EAGER = env.flag("MOORAGE_EAGER", False)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_DEFAULT_QUEUE = env.text("MOORAGE_QUEUE", "moorage")
# The clock rings in a queue of its own, which every worker hears as well: behind a long queue of jobs the reapers would come too late.
CLOCK_QUEUE = f"{CELERY_TASK_DEFAULT_QUEUE}-clock"
CELERY_TASK_QUEUES = [Queue(name, Exchange(name), routing_key=name) for name in (CELERY_TASK_DEFAULT_QUEUE, CLOCK_QUEUE)]
GPU_QUEUE = env.text("MOORAGE_GPU_QUEUE", "")  # where doorbells of methods that train are rung: for workers that are started with --queues and this name
GPU_METHODS = env.names("MOORAGE_GPU_METHODS", "finetune,distil")  # kinds of methods
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker waits for its broker as long as it takes
CELERY_BROKER_CONNECTION_TIMEOUT = 2
CELERY_WORKER_MAX_MEMORY_PER_CHILD = env.number("MOORAGE_WORKER_MAX_MB", 4096) * 1024  # KiB; a child that has grown beyond ends after its job
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_BEAT_SCHEDULE_FILENAME = str(HOME / "beat-schedule")

# What strangers' models run in (docs/operations.md); the processes that run them read the same variable (reuse/sandbox/probe.py).
SANDBOX_LEVEL = env.choice("MOORAGE_SANDBOX_LEVEL", "auto", among=("auto", "full", "l1", "none"))

JOB_LEASE_S = env.number("MOORAGE_JOB_LEASE_S", 30)
JOB_MAX_ATTEMPTS = env.number("MOORAGE_JOB_MAX_ATTEMPTS", 3)
JOB_REAP_EVERY_S = env.number("MOORAGE_REAP_EVERY_S", 10)
JOB_BUDGET_S = env.number("MOORAGE_JOB_BUDGET_S", 600)  # what a method may plan with
JOB_LIMIT_S = env.number("MOORAGE_JOB_LIMIT_S", 1800)  # when it is stopped
MAP_EVERY_S = env.number("MOORAGE_MAP_EVERY_S", 300)  # a check rings for the map at once; this is for what no doorbell told
JOBS_PER_USER = env.number("MOORAGE_JOBS_PER_USER", 20)  # queued and running
JOBS_RUNNING_PER_USER = env.number("MOORAGE_JOBS_RUNNING_PER_USER", 4)
JOBS_QUEUED_MOST = env.number("MOORAGE_JOBS_QUEUED_MOST", 2000)  # of everybody; beyond, a request is told to come again
CHECKS_QUEUED_MOST = env.number("MOORAGE_CHECKS_QUEUED_MOST", 2000)

# Sent by every worker's clock (marketplace/clock.py); `celery beat` understands it too.
CELERY_BEAT_SCHEDULE = {
    "reap jobs": {"task": "marketplace.jobs.tasks.reap", "schedule": JOB_REAP_EVERY_S},
    "reap checks": {"task": "marketplace.catalog.tasks.reap", "schedule": JOB_REAP_EVERY_S},
    "post letters": {"task": "marketplace.accounts.tasks.post", "schedule": 60},
    "prune accounts": {"task": "marketplace.accounts.tasks.prune", "schedule": 3600},
    "sweep artifacts": {"task": "marketplace.catalog.tasks.sweep", "schedule": 3600},
    "prune matches": {"task": "marketplace.matching.tasks.prune", "schedule": 3600},
    "look at requests": {"task": "marketplace.matching.tasks.look", "schedule": 60},
    "count rows": {"task": "marketplace.catalog.tasks.count_rows", "schedule": 3600},
    "lay out the map": {"task": "marketplace.catalog.tasks.lay_out_map", "schedule": MAP_EVERY_S},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "marketplace.logs.Line"}, "json": {"()": "marketplace.logs.Json"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": env.choice("MOORAGE_LOG_FORMAT", "line", among=("line", "json"))}},
    # httpx2 tells of each request, kombu that a folder is no host: neither is news.
    "loggers": {"faiss.loader": {"level": "WARNING"}, "httpx2": {"level": "WARNING"}, "kombu.connection": {"level": "ERROR"}},
    "root": {"handlers": ["console"], "level": env.text("MOORAGE_LOG_LEVEL", "INFO")},
}
METRICS_TOKEN = env.text("MOORAGE_METRICS_TOKEN", "")  # without one, /metrics answers this machine alone
