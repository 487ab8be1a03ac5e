"""What Parapet is told before it starts; the one place that knows the environment's variables."""

from proxy.settings.load import load
from proxy.settings.show import InForce, in_force, reference
from proxy.settings.table import Backend, EchoBackend, Key, OpenAIBackend, Pool, Row, Service, Settings, table
from proxy.settings.units import seconds, shipped_models, shipped_policies, show_seconds, size

__all__ = [
    "Backend",
    "EchoBackend",
    "InForce",
    "Key",
    "OpenAIBackend",
    "Pool",
    "Row",
    "Service",
    "Settings",
    "in_force",
    "load",
    "reference",
    "seconds",
    "shipped_models",
    "shipped_policies",
    "show_seconds",
    "size",
    "table",
]
