"""Secrets at rest. Only `shared/bootstrap.py` imports this: cryptography is slow to load."""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class CryptoError(Exception):
    """A stored secret can't be read: none of the keys made it, or it was altered."""


class Crypto:
    """Encrypts with the first of `keys` (Fernet keys with commas between), reads with any."""

    def __init__(self, keys: str) -> None:
        self._fernet = MultiFernet([Fernet(key.strip()) for key in keys.split(",")])

    def encrypt(self, text: str) -> str:
        return self.encrypt_bytes(text.encode())

    def decrypt(self, token: str) -> str:
        """Raises `CryptoError`."""
        try:
            return self.decrypt_bytes(token).decode()
        except ValueError:
            raise _unreadable() from None

    def encrypt_bytes(self, data: bytes) -> str:
        return self._fernet.encrypt(data).decode("ascii")

    def decrypt_bytes(self, token: str) -> bytes:
        """Raises `CryptoError`."""
        try:
            return self._fernet.decrypt(token)
        except (InvalidToken, ValueError):
            raise _unreadable() from None

    def rotate(self, token: str) -> str:
        """The same secret under the first key; raises `CryptoError`."""
        try:
            return self._fernet.rotate(token).decode("ascii")
        except (InvalidToken, ValueError):
            raise _unreadable() from None


def _unreadable() -> CryptoError:
    return CryptoError(
        "A stored secret can't be decrypted: SUROGA_ENCRYPTION_KEYS should still hold its key"
    )
