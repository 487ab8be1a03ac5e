"""What a failed call says of the deployment, and whether another deployment may be asked instead."""

from __future__ import annotations

import math
from enum import Enum, auto

from proxy.backends.base import Asked
from proxy.errors import BackendBroken, BackendError, BackendRefused, BackendUnavailable, BackendUnsupported

LONGEST_PAUSE = 60.0  # seconds that a deployment may asked to be spared


class Verdict(Enum):
    """What a failure says."""

    FAILED = auto()  # the deployment does not work
    SUSPECT = auto()  # it did not work for this request, which may be why
    BUSY = auto()  # it works, but has too much to do
    FINE = auto()  # it works: the request is at fault, or asks for an API that it lacks


def verdict(error: BackendError) -> Verdict:
    """What the error says of the deployment that gave it."""
    if isinstance(error, BackendUnsupported):
        return Verdict.FINE
    if isinstance(error, BackendBroken):
        return Verdict.SUSPECT
    if not isinstance(error, BackendRefused):
        return Verdict.FAILED
    if error.status == 429 or (error.status == 503 and pause(error)):
        return Verdict.BUSY
    if error.status in (401, 502, 503, 504):
        return Verdict.FAILED
    return Verdict.SUSPECT if error.status >= 500 or error.status == 408 else Verdict.FINE


def pause(error: BackendError) -> float:
    """For how many seconds the deployment asks to be spared; 0 when it does not say."""
    try:
        told = float(error.headers.get("retry-after-ms", "")) / 1000
    except ValueError:
        try:
            told = float(error.headers.get("retry-after", ""))
        except ValueError:
            return 0.0
    return min(max(told, 0.0), LONGEST_PAUSE) if math.isfinite(told) else 0.0


def elsewhere(error: BackendError, asked: Asked) -> bool:
    """Whether the call may be made again at another deployment."""
    if isinstance(error, BackendUnavailable) or (isinstance(error, BackendRefused) and error.status == 404):
        return True
    if verdict(error) is Verdict.FINE:
        return False
    undone = isinstance(error, BackendRefused) and error.status in (401, 429, 503)
    return undone or not leaves_a_trace(asked)


def leaves_a_trace(asked: Asked) -> bool:
    """Whether the call, made twice, would leave two of what it stores at the backend."""
    if asked.path.endswith("/responses"):  # which stores unless told not to
        return asked.payload.get("store") is not False
    return asked.payload.get("store") is True or asked.payload.get("background") is True
