"""Sessions in the database, under the SHA-256 of their keys: who reads a copy of the table can sign in as nobody.

The engine is Django's own, `SESSION_ENGINE = "marketplace.accounts.sessions"`; only the key that stands in the row differs from the one in the cookie.
"""

import hashlib
from typing import Any

from django.contrib.sessions.backends.db import SessionStore as InDatabase
from django.utils import timezone


class SessionStore(InDatabase):
    def _get_session_from_db(self) -> Any:
        found = self.model.objects.filter(session_key=kept(self.session_key), expire_date__gt=timezone.now()).first()
        if found is None:
            self._session_key = None
        return found

    async def _aget_session_from_db(self) -> Any:
        found = await self.model.objects.filter(session_key=kept(self.session_key), expire_date__gt=timezone.now()).afirst()
        if found is None:
            self._session_key = None
        return found

    def create_model_instance(self, data: dict) -> Any:
        row = super().create_model_instance(data)
        row.session_key = kept(row.session_key)
        return row

    async def acreate_model_instance(self, data: dict) -> Any:
        row = await super().acreate_model_instance(data)
        row.session_key = kept(row.session_key)
        return row

    def exists(self, session_key: str) -> bool:
        return super().exists(kept(session_key))

    async def aexists(self, session_key: str) -> bool:
        return await super().aexists(kept(session_key))

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            super().delete(kept(key))

    async def adelete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            await super().adelete(kept(key))


def kept(session_key: str) -> str:
    """What stands in the row of a session; 40 characters, as wide as Django's column."""
    return hashlib.sha256(f"session:{session_key}".encode()).hexdigest()[:40]
