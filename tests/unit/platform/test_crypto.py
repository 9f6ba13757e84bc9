from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from shared.platform.crypto import Crypto, CryptoError

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.mark.parametrize("text", ["", "pin", "é 会議 😀", "x" * 10_000])
def test_round_trip(text: str) -> None:
    crypto = Crypto(NEW)
    token = crypto.encrypt(text)
    assert text == "" or text not in token
    assert crypto.encrypt(text) != token
    assert crypto.decrypt(token) == text


def test_keys_rotate() -> None:
    token = Crypto(OLD).encrypt("pin")
    both = Crypto(f"{NEW}, {OLD}")
    assert both.decrypt(token) == "pin"
    rotated = both.rotate(token)
    assert Crypto(NEW).decrypt(rotated) == "pin"
    assert Crypto(NEW).decrypt(both.encrypt("x")) == "x"


def test_what_no_key_reads_names_no_secret() -> None:
    crypto = Crypto(NEW)
    altered = crypto.encrypt("hunter2")[:-4] + "AAA="
    for token in (Crypto(OLD).encrypt("hunter2"), altered, "", "plain text", "é"):
        for verb in (crypto.decrypt, crypto.rotate):
            with pytest.raises(CryptoError) as caught:
                verb(token)
            said = repr(caught.value)
            assert NEW not in said
            assert not token or token not in said
            assert caught.value.__suppress_context__
