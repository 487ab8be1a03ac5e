"""The dashboards: for an SRE the overview, the cost of guarding and the backends; for an officer decisions and policy changes."""

from __future__ import annotations

from dashboards.model import Board, Group, Panel, Variable

TEAMS = Variable("team", "Team", "parapet_decisions_total")
MODELS = Variable("model", "Model", "parapet_calls_total")
POLICIES = Variable("policy", "Policy", "parapet_matches_total")
PRICE = Variable("price", "Price of a million tokens", default="2")

OVERVIEW = Board(
    "parapet-overview",
    "Parapet: overview",
    "Whether guards run, what they stop, and what is about to break.",
    (
        Group(
            "In one minute",
            (
                Panel("Instances", ("instances_up",), "Instances that Prometheus reaches.", "number", 3, 4),
                Panel("Instances down", ("instances_down",), "Instances that it does not.", "number", 3, 4, alarm=1),
                Panel("Calls in flight", ("calls_in_flight",), "Calls under way in all workers.", "number", 3, 4),
                Panel(
                    "Failed",
                    ("calls_failed_share",),
                    "Calls that ended in an error, ours or a backend's.",
                    "number",
                    3,
                    4,
                    0.001,
                    0.01,
                ),
                Panel("Blocked", ("block_share",), "Decisions to block, of all decisions.", "number", 3, 4),
                Panel(
                    "Policies refused",
                    ("policies_refused",),
                    "1: the files have mistakes, and older policies hold.",
                    "number",
                    3,
                    4,
                    alarm=1,
                ),
                Panel(
                    "Records lost",
                    ("records_lost",),
                    "Decision records that could not be written, in an hour.",
                    "number",
                    3,
                    4,
                    alarm=1,
                ),
                Panel("Versions", ("versions",), "Workers by the version that they run.", "number", 3, 4),
            ),
        ),
        Group(
            "Traffic",
            (
                Panel("Calls by outcome", ("calls_by_outcome",), "served, blocked_prompt and blocked_completion are good ends."),
                Panel("Calls by API", ("calls_by_dialect",), "The dialects that callers speak."),
                Panel("Time of calls", ("call_seconds_p50", "call_seconds_p99"), "From the first byte to the last, streams too."),
            ),
        ),
        Group(
            "Do guards run?",
            (
                Panel(
                    "Checks that run",
                    ("checks_running",),
                    "Calls of each check in a second; zero while calls are served is an alarm.",
                ),
                Panel("Checks that fail", ("check_failures",), "error, timeout or overload: each leads to its rule's on_error."),
                Panel("Calls without a policy", ("unguarded_calls",), "No policy in force applied to them."),
                Panel("Passed unchecked", ("passed_unchecked",), "The check failed and the rule says on_error: allow."),
                Panel("Blocked unchecked", ("blocked_unchecked",), "The check failed and the rule blocked."),
                Panel("Not inspected", ("not_inspected",), "Parts of calls that no check could read."),
            ),
        ),
        Group(
            "What is about to break",
            (
                Panel(
                    "Delay of the event loop",
                    ("event_loop_delay_p99",),
                    "Above 100 ms all calls of a worker feel it.",
                    "lines",
                    6,
                ),
                Panel(
                    "Checks in threads", ("checks_waiting",), "At check_threads and above, calls wait for a thread.", "lines", 6
                ),
                Panel("Records", ("records",), "Decision records written and lost.", "lines", 6),
                Panel("Spans", ("spans",), "Ended but neither sent nor failed: they were given up.", "lines", 6),
            ),
        ),
    ),
    (MODELS, TEAMS, POLICIES),
)

COST = Board(
    "parapet-guard-cost",
    "Parapet: what guarding costs",
    "Time that guarding adds to calls and to pieces of streams, and where it goes.",
    (
        Group(
            "Added to calls",
            (
                Panel(
                    "Before the first byte",
                    ("guard_seconds_p50", "guard_seconds_p95", "guard_seconds_p99"),
                    "By direction: the prompt before the backend is asked, the completion before its first byte goes out.",
                    width=12,
                ),
                Panel("Of all time", ("guard_share",), "Guard time in the time of calls.", "lines", 6),
                Panel(
                    "To a piece of a stream", ("chunk_seconds_p50", "chunk_seconds_p99"), "Waits for checks among it.", "lines", 6
                ),
                Panel(
                    "Held back", ("held_characters_p50", "held_characters_p99"), "Most characters of a stream held back at once."
                ),
                Panel(
                    "Texts remembered",
                    ("texts_remembered_share",),
                    "Of the texts that a check was asked about, those that it knew.",
                ),
                Panel("Checks, p95", ("check_seconds_p95",), "Checks that share a pass have one time."),
                Panel("Checks, mean", ("check_seconds_mean",), "Time of a check over the texts of a call."),
            ),
        ),
        Group(
            "Classifiers",
            (
                Panel(
                    "Windows",
                    ("windows_by_result",),
                    "judged cost a pass of the network, cleared a part of one; cached cost nothing; expired came too late.",
                ),
                Panel(
                    "Remembered", ("windows_remembered_share",), "Of all windows, those whose scores were in memory.", "lines", 4
                ),
                Panel("Cleared by the screen", ("screen_cleared_share",), "Windows that never woke the network.", "lines", 4),
                Panel("Waiting, p95", ("classifier_queue_p95",), "Time that the first window of a batch waited.", "lines", 4),
                Panel("Batch, p95", ("batch_windows_p95",), "Windows judged at once.", "lines", 4),
                Panel("Turned away", ("classifier_overloads",), "Texts for which the queue was full.", "lines", 6),
                Panel("Memory of the GPU", ("classifier_memory",), "Taken by each classifier's process.", "lines", 6),
                Panel("Scores, p90", ("score_p90",), "Highest score of a window that was read to the end.", "lines", 6),
                Panel("Drift", ("score_drift",), "Greatest distance between the scores of an hour and of a week.", "lines", 6),
            ),
        ),
        Group(
            "Others whom checks ask",
            (
                Panel("Asked", ("consultations",), "Texts that a service or a guard model was asked about."),
                Panel("Their time, p95", ("consultation_seconds_p95",), "Until they answered."),
                Panel("Not asked any more", ("consultation_circuits_open",), "1 while somebody failed too often."),
                Panel("Started anew", ("consultation_restarts",), "Processes of rails that had died or hung."),
            ),
        ),
    ),
)

BACKENDS = Board(
    "parapet-backends",
    "Parapet: backends",
    "The models behind: how fast they answer, how they fail, what they read and write.",
    (
        Group(
            "Answers",
            (
                Panel(
                    "Until the answer begins",
                    ("backend_seconds_p50", "backend_seconds_p99"),
                    "Headers of the backend's answer.",
                    width=12,
                ),
                Panel(
                    "Until the first piece",
                    ("first_chunk_p50", "first_chunk_p99"),
                    "Of streams: time to first token, without guards.",
                    width=12,
                ),
                Panel("Errors", ("backend_errors",), "By model and code.", width=12),
                Panel("Tokens", ("tokens",), "As backends count them, in a second.", width=12),
            ),
        ),
        Group(
            "Deployments",
            (
                Panel(
                    "Pools without a deployment",
                    ("pools_without_deployment",),
                    "All their deployments are left alone.",
                    "number",
                    4,
                    alarm=1,
                ),
                Panel("Left alone", ("backends_open",), "Workers that leave a deployment alone after failures.", width=10),
                Panel("In flight", ("backend_in_flight",), "Calls under way at each deployment.", width=10),
                Panel("Attempts", ("attempts",), "Calls sent to a deployment, retries too, by how they ended.", width=12),
                Panel("Probes", ("probes",), "Times that a deployment was asked whether it is well.", width=12),
                Panel("Retries", ("retries",), "Sent to another deployment, or withheld because of retry_share."),
                Panel("Fallbacks", ("fallbacks",), "Calls that another pool was asked to serve."),
                Panel("Refused", ("queue_refused",), "Deployments and the line before them were full."),
                Panel(
                    "Called before the verdict",
                    ("overlaps",),
                    "Calls whose prompt was judged while the backend worked; blocked and replaced ones were cancelled there.",
                ),
                Panel("Waiting", ("queue_waiting",), "Calls that wait for a place now.", width=12),
                Panel("Waited, p95", ("queue_seconds_p95",), "Time that calls waited for a place.", width=12),
            ),
        ),
        Group(
            "Saved by blocking early",
            (
                Panel("Tokens saved", ("tokens_saved",), "Estimated: the mean answer of the model less what had come.", width=12),
                Panel("In a day", ("tokens_saved_day",), "Tokens that backends had not to write.", "number", 6),
                Panel("Cost in a day", ("cost_saved_day",), "At the price above for a million tokens.", "number", 6),
            ),
        ),
    ),
    (MODELS, PRICE),
)

DECISIONS = Board(
    "parapet-decisions",
    "Parapet: decisions",
    "What was decided, by policy, rule, category, team and direction.",
    (
        Group(
            "All decisions",
            (
                Panel("Actions", ("decisions_by_action",), "One decision for each direction of a call."),
                Panel(
                    "Were every rule enforced",
                    ("decisions_would",),
                    "What the same calls would have led to, rules in monitor among them.",
                ),
                Panel("Blocked", ("block_share", "would_block_share"), "Of all decisions."),
                Panel("By team", ("decisions_by_team",), "Decisions that flagged, redacted or blocked.", width=12),
                Panel("By direction", ("matches_by_direction",), "Rules that matched, in prompts and in completions.", width=12),
            ),
        ),
        Group(
            "Rules",
            (
                Panel(
                    "Rules that matched, one day", ("matches_by_policy",), "Once for each category in a call.", "table", 12, 10
                ),
                Panel("Categories, one day", ("matches_by_category",), "The twenty that matched most.", "table", 12, 10),
                Panel("Families", ("matches_by_family",), "privacy, copyright, bias, misuse, custom."),
                Panel("In monitor", ("matches_monitored",), "What rules would have done that do not act yet."),
                Panel("Findings", ("findings_by_category",), "Each place in a text counts."),
                Panel("Replaced", ("replaced",), "Findings that were replaced, by operator.", width=12),
                Panel(
                    "Names that came back", ("names",), "Pseudonyms in completions: restored, or unknown to the caller.", width=12
                ),
            ),
        ),
    ),
    (TEAMS, POLICIES),
)

CHANGES = Board(
    "parapet-policy-changes",
    "Parapet: policy changes",
    "Which revision is in force since when, and what changed with it.",
    (
        Group(
            "In force",
            (
                Panel("Since the last change", ("policy_age",), "Restarts count, too.", "number", 6, 4),
                Panel(
                    "Refused now",
                    ("policies_refused",),
                    "1: the files have mistakes; /readyz says which.",
                    "number",
                    6,
                    4,
                    alarm=1,
                ),
                Panel(
                    "Loads in an hour", ("policy_loads",), "Times that the files were read, by what came of it.", "number", 12, 4
                ),
                Panel("Revision in force", ("revision_in_force",), "1 for the revision that holds.", width=24, height=6),
            ),
        ),
        Group(
            "What changed",
            (
                Panel("Blocked, by revision", ("block_share_by_revision",), "Of all decisions under it.", width=12),
                Panel(
                    "Actions, by revision", ("decisions_by_revision",), "Decisions that flagged, redacted or blocked.", width=12
                ),
                Panel(
                    "Blocked now and before",
                    ("block_ratio_now", "block_ratio_before"),
                    "What the alert on a leap compares.",
                    width=12,
                ),
                Panel("In monitor", ("matches_monitored",), "What a rule would do, before it is enforced.", width=12),
            ),
        ),
    ),
    (TEAMS, POLICIES),
)

BOARDS = (OVERVIEW, COST, BACKENDS, DECISIONS, CHANGES)
