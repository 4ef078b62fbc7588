"""From a URL to a store."""

from urllib.parse import parse_qs, unquote, urlsplit

from storage.base import Store


def connect(url: str) -> Store:
    """`file:///folder` or `s3://bucket/prefix?endpoint=...&region=...`; raises ValueError for another scheme."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        from storage.local import LocalStore

        return LocalStore(unquote(parts.path))
    if parts.scheme == "s3":
        from storage.s3 import S3Store

        options = {key: values[0] for key, values in parse_qs(parts.query).items()}
        return S3Store(parts.netloc, parts.path.strip("/"), **options)
    raise ValueError(f"A store's URL must begin with file:// or s3://; got {url!r}.")
