"""What Parapet is told before it starts; the one place that knows the environment's variables."""

from proxy.settings.entry import Row
from proxy.settings.load import load
from proxy.settings.pools import Backend, EchoBackend, LiteLLMBackend, OpenAIBackend, Pool, names_of
from proxy.settings.show import InForce, in_force, reference
from proxy.settings.table import Key, Service, Settings, table
from proxy.settings.units import seconds, shipped_models, shipped_policies, show_seconds, size

__all__ = [
    "Backend",
    "EchoBackend",
    "InForce",
    "Key",
    "LiteLLMBackend",
    "OpenAIBackend",
    "Pool",
    "Row",
    "Service",
    "Settings",
    "in_force",
    "load",
    "names_of",
    "reference",
    "seconds",
    "shipped_models",
    "shipped_policies",
    "show_seconds",
    "size",
    "table",
]
