"""The table of metrics: what each means, its labels, its buckets. docs/metrics.md is made from it."""

from __future__ import annotations

from proxy.metrics.pools import POOLS
from proxy.metrics.row import LONG_SECONDS, Row
from proxy.metrics.tally import Counter, Gauge, Histogram

MOMENTS = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5)
SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
WINDOWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
CHARACTERS = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0)
SCORES = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)

METRICS: dict[str, Row] = {
    "parapet_build_info": Row(Gauge, "1; the label says which version runs.", ("version",), across="livemax"),
    "parapet_calls": Row(Counter, "Calls answered, by how they ended.", ("dialect", "model", "outcome")),
    "parapet_calls_in_flight": Row(Gauge, "Calls that are under way."),
    "parapet_call_seconds": Row(
        Histogram, "Time from the beginning of a call to the end of its answer.", ("dialect", "model"), LONG_SECONDS
    ),
    "parapet_unguarded_calls": Row(Counter, "Calls that no policy in force applied to.", ("model", "team")),
    "parapet_decisions": Row(
        Counter,
        "Decisions, one for each direction of a call: the action taken, and what it would be with every rule enforced.",
        ("direction", "action", "would", "team", "revision"),
    ),
    "parapet_matches": Row(
        Counter,
        "Rules that matched in a call, once for each category that they matched for; in the mode monitor, the action is what "
        "the rule would have done.",
        ("policy", "rule", "family", "category", "action", "mode", "direction", "team", "revision"),
    ),
    "parapet_findings": Row(Counter, "Findings that a rule matched, by category.", ("check", "family", "category", "direction")),
    "parapet_unanswered": Row(
        Counter,
        "Rules that acted by their on_error, since their check gave no answer: `allow` let the text pass.",
        ("policy", "rule", "check", "kind", "on_error", "mode", "direction"),
    ),
    "parapet_guard_seconds": Row(
        Histogram, "Time that guarding added before the first byte of a call in one direction.", ("direction",), SECONDS
    ),
    "parapet_chunk_guard_seconds": Row(
        Histogram, "Time that guarding added to one piece of a streamed completion, waits for checks among it.", (), MOMENTS
    ),
    "parapet_check_seconds": Row(Histogram, "Time that checks took over the texts of a call.", ("check", "direction"), SECONDS),
    "parapet_check_failures": Row(Counter, "Checks that gave no answer.", ("check", "kind")),
    "parapet_checks_waiting": Row(
        Gauge, "Calls of checks that were given to threads and have not ended, looked at once a second."
    ),
    "parapet_event_loop_delay_seconds": Row(
        Histogram, "How late a worker's event loop came to what was due, looked at once a second.", (), SECONDS
    ),
    "parapet_held_characters": Row(Histogram, "Most characters of a streamed completion held back at once.", (), CHARACTERS),
    "parapet_not_inspected": Row(Counter, "Parts of calls that no check could read.", ("reason",)),
    "parapet_replaced": Row(Counter, "Findings that were replaced, by how.", ("operator", "category", "direction")),
    "parapet_names": Row(
        Counter,
        "Pseudonyms in completions: restored to the values that the caller gave, or unknown to this caller and left as they are.",
        ("category", "result"),
    ),
    "parapet_remembered_texts": Row(
        Counter,
        "Texts that a check was asked about: those that it judged, and those whose findings were remembered (cached).",
        ("check", "result"),
    ),
    "parapet_classifier_windows": Row(
        Counter,
        "Windows of text that were judged, cleared by a glance, were in the cache, or were given up (expired).",
        ("classifier", "result"),
    ),
    "parapet_classifier_screened": Row(Counter, "Windows of text cleared by the screen, or passed on.", ("result",)),
    "parapet_classifier_score": Row(
        Histogram,
        "Highest score, in any category of the check, of a window that was read to the end, remembered ones among them.",
        ("check",),
        SCORES,
    ),
    "parapet_classifier_batch_windows": Row(Histogram, "Windows of text judged at once.", ("classifier",), WINDOWS),
    "parapet_classifier_queue_seconds": Row(
        Histogram, "Time that the first window of a batch waited for the classifier.", ("classifier",), SECONDS
    ),
    "parapet_classifier_overloads": Row(Counter, "Texts turned away because a classifier's queue was full.", ("classifier",)),
    "parapet_classifier_memory_bytes": Row(
        Gauge, "Memory of the GPU that is taken for a classifier's process; nothing on a CPU.", ("classifier",)
    ),
    "parapet_consultations": Row(
        Counter,
        "Texts that a check asked somebody else about: answered, remembered, error, timeout, overload or circuit_open.",
        ("check", "whom", "result"),
    ),
    "parapet_consultation_seconds": Row(
        Histogram, "Time that somebody whom a check asked took to answer.", ("check", "whom"), SECONDS
    ),
    "parapet_consultation_circuit_open": Row(
        Gauge, "1 while somebody failed too often and is not asked, else 0.", ("check", "whom"), across="livemax"
    ),
    "parapet_consultation_restarts": Row(
        Counter, "Processes that were started anew, since one that a check asks had died or hung.", ("check", "whom")
    ),
    "parapet_backend_seconds": Row(Histogram, "Time until the backend's answer began.", ("model",), LONG_SECONDS),
    "parapet_backend_first_chunk_seconds": Row(
        Histogram, "Time until the first piece of a backend's stream came, before it was guarded.", ("model",), LONG_SECONDS
    ),
    "parapet_backend_errors": Row(Counter, "Calls that the backend gave no good answer to.", ("model", "code")),
    **POOLS,
    "parapet_tokens": Row(Counter, "Tokens that backends say they have read (input) and written (output).", ("model", "kind")),
    "parapet_tokens_saved": Row(
        Counter,
        "Tokens, estimated, that backends had not to write since the call was blocked or the caller left a stream: the mean of "
        "the model's answers so far, less what had come.",
        ("model", "direction"),
    ),
    "parapet_overlaps": Row(
        Counter,
        "Calls whose backend was called before the verdict on the prompt, which then passed it; or blocked or replaced it, so "
        "that the backend's call was cancelled.",
        ("model", "result"),
    ),
    "parapet_policy_loads": Row(Counter, "Times that the policy files were read.", ("result",)),
    "parapet_policy_refused": Row(
        Gauge, "1 while the policy files have mistakes and older ones are in force, else 0.", across="livemax"
    ),
    "parapet_policy_in_force": Row(
        Gauge, "1 for the revision of the policies in force, 0 for earlier ones.", ("revision",), across="livemax"
    ),
    "parapet_policy_changed_timestamp_seconds": Row(
        Gauge, "When the policies in force were put in force (Unix time).", across="livemax"
    ),
    "parapet_spans": Row(
        Counter,
        "Spans of traced calls that have ended, were sent, or could not be; the rest was given up.",
        ("result",),
    ),
    "parapet_records": Row(Counter, "Decision records written, and those that could not be.", ("result",)),
}
FORESEEN = {  # are shown as 0 before they happen: Prometheus takes no first value for an increase
    "parapet_records": ("written", "lost"),
    "parapet_policy_loads": ("loaded", "refused"),
}
