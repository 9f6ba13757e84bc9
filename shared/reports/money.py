"""Amounts of money in whole units of the currency's smallest coin, which add up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeVar

K = TypeVar("K", bound=Any)

HOUR = 3600

# https://www.iso.org/iso-4217-currency-codes.html: all others have two.
_NONE = {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI"}
_NONE |= {"VND", "VUV", "XAF", "XOF", "XPF"}
_THREE = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"}


def digits(currency: str) -> int:
    """Decimals of an amount in this currency (ISO 4217)."""
    return 0 if currency in _NONE else 3 if currency in _THREE else 2


def exact_coins(at: Mapping[str, int], currency: str) -> Fraction:
    """What so many seconds at each price an hour cost, in the currency's smallest coin."""
    priced = sum((Fraction(price) * seconds for price, seconds in at.items()), Fraction(0))
    return priced * Fraction(10 ** digits(currency), HOUR)


def rounded(amount: Fraction) -> int:
    """To the nearest whole number, a half up."""
    return math.floor(amount + Fraction(1, 2))


def apportion(total: int, exact: Mapping[K, Fraction]) -> dict[K, int]:
    """Whole parts whose sum is `total`, which is the sum of the exact ones or next to it.

    By the largest remainder: each is its exact part rounded down or up, and those that were nearest
    to the next whole number are rounded up; of equals the first in order.
    """
    parts = {key: math.floor(part) for key, part in exact.items()}
    missing = total - sum(parts.values())
    order = sorted(exact, key=lambda key: (parts[key] - exact[key], key))
    for key in order[:missing]:
        parts[key] += 1
    return parts


def amount(coins: int, currency: str) -> Decimal:
    return Decimal(coins).scaleb(-digits(currency))
