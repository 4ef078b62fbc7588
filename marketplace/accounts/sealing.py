"""Keeping secrets that have to be read again, and keys to what must not be read at all: a copy of the database gives neither away.

Both hang on the secret key of the site; keys that came before it (`SECRET_KEY_FALLBACKS`) still open what they sealed.
"""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.utils.crypto import salted_hmac


class Unsealable(Exception):
    """What was sealed does not open with any key of this site."""


def seal(text: str) -> str:
    """The text, encrypted and signed (Fernet: AES-128-CBC with HMAC-SHA256)."""
    return _keys().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """What `seal` was given. Raises Unsealable where the secret key has changed and the old one is not among the fallbacks."""
    try:
        return _keys().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Unsealable("A sealed value was made under another secret key; add that key to MOORAGE_SECRET_KEY_FALLBACKS.") from None


def keyed(purpose: str, text: str) -> str:
    """A hash that nobody can compute, or try values on, without the secret key: 64 hexadecimal digits."""
    return salted_hmac(f"moorage.{purpose}", text, algorithm="sha256").hexdigest()


def every_keyed(purpose: str, text: str) -> list[str]:
    """The hash under the secret key, and under each that came before it."""
    return [salted_hmac(f"moorage.{purpose}", text, secret=key, algorithm="sha256").hexdigest() for key in _secrets()]


def _secrets() -> list[str]:
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"moorage.seal" + key.encode()).digest())) for key in _secrets()])
