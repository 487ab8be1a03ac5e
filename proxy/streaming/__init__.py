"""A guarded stream: server-sent events in, the same events out with only what may be shown in them."""

from proxy.streaming.guarded import GuardedStream

__all__ = ["GuardedStream"]
