"""Describing data in the browser: the worker that reads a person's rows can open no connection, by a policy of its own."""

WORKERS = "moorage/describe/worker"
SHUT = "default-src 'none'; connect-src 'none'"


def shut_workers(headers: dict[str, str], path: str, url: str) -> None:
    """WhiteNoise's hook. A worker has the policy of its own script's answer, not the page's: nothing is fetched, and nothing imported later.

    The page asks for this header before it hands a file over, so static files that something else serves must carry it too.
    """
    if WORKERS in url and url.endswith(".js"):
        headers["Content-Security-Policy"] = SHUT
