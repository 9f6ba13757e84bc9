"""QR codes (ISO/IEC 18004). segno is imported when the first one is drawn."""

from __future__ import annotations

import io
from typing import Literal

Format = Literal["svg", "png"]

QUIET = 4
"""Modules of white around it, which scanners need (ISO/IEC 18004, 9.1)."""


def qr_code(text: str, form: Format, scale: int) -> bytes:
    """The picture's file; `scale` is the width of a module in pixels. Slow: call it in a thread."""
    import segno

    code = segno.make(text, error="l", micro=False)  # and the best level that fits the same size
    file = io.BytesIO()
    # Scanners want dark on light, whatever the page behind it: never transparent.
    code.save(file, kind=form, scale=scale, border=QUIET, dark="black", light="white")
    return file.getvalue()
