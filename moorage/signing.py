"""Signing in from a terminal (RFC 8628): the device shows a code, a person lets it in from a browser, the device gets its token."""

import time
from collections.abc import Callable
from typing import Any

from moorage.errors import MarketError, NotAllowed, NotSignedIn, TooMany, Unreachable
from moorage.http import Wire

SLOWER_S = 5.0  # that the RFC asks for after slow_down


def by_device(wire: Wire, shown: Callable[[dict[str, Any]], None], *, name: str, scopes: list[str]) -> str:
    """The token's secret, once a person has let this device in; see Market.login_by_device."""
    begun = wire.post("device/code", json={"name": name, "scopes": scopes})
    shown(begun)
    interval = float(begun.get("interval") or 5)
    until = time.monotonic() + float(begun.get("expires_in") or 600)
    while time.monotonic() < until:
        time.sleep(interval)
        try:
            return wire.post("device/token", json={"device_code": begun["device_code"]})["token"]
        except (Unreachable, TooMany) as error:  # the code outlives a bad line
            interval = max(interval, error.retry_after or 0.0)
        except MarketError as error:
            code = error.code.replace("-", "_")
            if code == "access_denied":
                raise NotAllowed("The request to sign in was denied.", code=error.code, hint="Run moorage login again, and allow it in the browser.") from None
            if code == "expired_token":
                break
            if code not in ("authorization_pending", "slow_down"):
                raise
            interval += SLOWER_S if code == "slow_down" else 0.0
    raise NotSignedIn("The code was not entered in time, so it is not valid any more.", code="expired_token", hint="Run moorage login again.")
