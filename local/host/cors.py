"""CORS as the platform does it, from `Host.CORS` of local.settings.json.

https://learn.microsoft.com/azure/azure-functions/functions-develop-local#local-settings-file
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Cors:
    origins: tuple[str, ...] = ()
    credentials: bool = False

    def is_preflight(self, method: str, headers: Mapping[str, str]) -> bool:
        """Without any configured origin the platform does nothing, and functions see OPTIONS."""
        asks = "Origin" in headers and "Access-Control-Request-Method" in headers
        return bool(self.origins) and method == "OPTIONS" and asks

    def preflight(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers of the host's 204: none for an origin that is not allowed."""
        answer: dict[str, str] = {}
        self.add(answer, headers.get("Origin", ""))
        if answer:
            answer["Access-Control-Allow-Methods"] = headers["Access-Control-Request-Method"]
            if asked := headers.get("Access-Control-Request-Headers"):
                answer["Access-Control-Allow-Headers"] = asked
        return answer

    def add(self, headers: MutableMapping[str, str], origin: str) -> None:
        """To any response; what a function said of CORS itself is overruled."""
        anybody = "*" in self.origins
        if not origin or not (anybody or origin in self.origins):
            return
        headers["Access-Control-Allow-Origin"] = "*" if anybody else origin
        vary = headers.get("Vary", "")
        if "origin" not in [name.strip().lower() for name in vary.split(",")]:
            headers["Vary"] = f"{vary}, Origin" if vary else "Origin"
        if self.credentials and not anybody:
            headers["Access-Control-Allow-Credentials"] = "true"
