"""The way of one call: bytes in, a request guarded, a backend's answer guarded, bytes out, one record, a handful of metrics.

Plain ASGI: this is the hot path. One path for all dialects: `caller` is the side of whoever calls, `call` the way from the
first byte to the record, `exchange` the side of the backend and its answer.
"""

from proxy.gateway.call import Endpoint, Gateway
from proxy.gateway.caller import KEYS, Receive, Scope, Send, parsed, request_id_of
from proxy.gateway.conversation import HEADER, conversation_id

__all__ = ["HEADER", "KEYS", "Endpoint", "Gateway", "Receive", "Scope", "Send", "conversation_id", "parsed", "request_id_of"]
