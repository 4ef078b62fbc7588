"""Any S3: one object an artifact, its key the digest. The bytes are hashed before they go and after they come."""

import hashlib
import tempfile
from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO

from storage.base import ArtifactMissing, Stored, digest, parts, verify

IN_MEMORY = 8 << 20


class S3Store:
    """`endpoint` and `region` as boto3 takes them; credentials come from the environment, as boto3 reads them."""

    def __init__(self, bucket: str, prefix: str = "", *, endpoint: str | None = None, region: str | None = None) -> None:
        import boto3
        from botocore.config import Config

        # boto3 >= 1.36 sends checksums that other makers' stores refuse.
        config = Config(request_checksum_calculation="when_required", response_checksum_validation="when_required")
        self._client = boto3.client("s3", endpoint_url=endpoint, region_name=region, config=config)
        self._bucket, self._prefix = bucket, prefix

    def put(self, content: bytes | BinaryIO) -> Stored:
        sha, size = hashlib.sha256(), 0
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as draft:
            for part in parts(content):
                sha.update(part)
                size += len(part)
                draft.write(part)
            draft.seek(0)
            self._client.upload_fileobj(draft, self._bucket, self._key(sha.hexdigest()))
        return Stored(sha.hexdigest(), size)

    def open(self, sha256: str) -> BinaryIO:
        from botocore.exceptions import ClientError

        file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - the caller closes it
        try:
            self._client.download_fileobj(self._bucket, self._key(sha256), file)
        except ClientError as error:
            file.close()
            if error.response.get("Error", {}).get("Code") in ("404", "NoSuchKey"):
                raise ArtifactMissing(f"There is no artifact {sha256} in the store.") from None
            raise
        file.seek(0)
        return verify(file, sha256)

    def delete(self, sha256: str) -> None:
        self._client.delete_object(Bucket=self._bucket, Key=self._key(sha256))

    def held(self) -> Iterator[tuple[str, datetime]]:
        prefix = f"{self._prefix}/" if self._prefix else ""
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
            for entry in page.get("Contents", []):
                name = entry["Key"].rpartition("/")[2]
                if len(name) == 64:
                    yield name, entry["LastModified"]

    def sweep(self) -> int:
        """Nothing: an upload that breaks off leaves no object."""
        return 0

    def _key(self, sha256: str) -> str:
        name = digest(sha256)
        return "/".join(filter(None, (self._prefix, name[:2], name[2:4], name)))
