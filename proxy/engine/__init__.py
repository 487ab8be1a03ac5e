"""Runs the checks that a policy set names over the texts of a call, and decides."""

from proxy.engine.growing import Channel, Growing
from proxy.engine.guard import Engine, Guard, Verdict
from proxy.engine.pulse import look
from proxy.engine.reload import Reloader
from proxy.engine.rewriting import Replaced

__all__ = ["Channel", "Engine", "Growing", "Guard", "Reloader", "Replaced", "Verdict", "look"]
