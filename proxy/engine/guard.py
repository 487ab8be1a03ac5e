"""The guard of one call: runs a plan over segments, decides, and says how the texts must change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from proxy.core import (
    VAULT,
    Action,
    CheckKind,
    Decision,
    Direction,
    Failure,
    Finding,
    Principal,
    Segment,
)
from proxy.engine.growing import Growing
from proxy.engine.memory import Memory
from proxy.engine.plan import Combine, Plan, Planner, binds, streamed
from proxy.engine.rewriting import Replaced, Rewriting, form_of
from proxy.engine.runner import NO_KEYS, Runner
from proxy.engine.turns import Asks, Past, before, forgiven, together, without
from proxy.errors import PolicyError, Problem
from proxy.metrics import Metrics
from proxy.operators import Conversation, Conversations, Restorer
from proxy.policy import Policy, PolicySet, decide, overlaps
from proxy.settings import Settings
from proxy.text import readable
from proxy.traces import step

ATTEMPTS = 4  # to give names that nobody else gives at the same time


@dataclass(slots=True)  # not frozen: there are two for each call, and freezing costs five times as much
class Verdict:
    """What was decided of one direction of a call, and the segments' texts that change, by index."""

    decision: Decision
    texts: Mapping[int, str] = field(default_factory=dict)
    not_inspected: Mapping[str, int] = field(default_factory=dict)  # texts that were not read to their end, by reason
    replaced: Replaced = field(default_factory=dict)
    restorer: Restorer | None = None  # what was put back, if anything could be
    dropped: frozenset[int] = frozenset()  # segments whose messages go


@dataclass(slots=True)
class Seen:
    """What the checks said of the texts of one direction; `read`: the texts as they read them."""

    read: Sequence[Segment] = ()
    findings: list[Finding] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Guard:
    """The policies that hold for a call, ready to run."""

    policies: tuple[Policy, ...]
    prompt: Plan
    completion: Plan
    runner: Runner
    overlaps: bool = False  # the backend may be called before the verdict on the prompt
    names: str = field(init=False)  # the policies as the wire names them: name@digest, separated by commas

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", ",".join(f"{policy.name}@{policy.digest}" for policy in self.policies))

    def acts(self, direction: Direction) -> bool:
        """Whether some rule may replace or refuse what goes in this direction."""
        return any(direction in rule.directions and binds(rule) for policy in self.policies for rule in policy.rules)

    def asked(self, segments: Sequence[Segment], verdict: Verdict | None = None) -> tuple[Segment, ...]:
        """What checks are told of the prompt that an answer answers, if any of them wants to know: as it went to the model."""
        if not self.completion.pairs:
            return ()
        texts, dropped = (verdict.texts, verdict.dropped) if verdict else ({}, frozenset[int]())
        return before(segments, texts, dropped)

    async def judge(self, direction: Direction, segments: Sequence[Segment], conversation: Conversation | None = None) -> Verdict:
        """Run the checks of this direction over texts that are all there, decide, and say how the texts change."""
        about = conversation or self.runner.conversations.of(Principal(), "", "", stored=False)
        if direction == "completion":
            return await self.judge_completion(in_form(segments, about), about)
        seen = await self.inspect(self.prompt, direction, segments)
        past = forgiven(decide(self.policies, direction, seen.findings, seen.failures), self.policies, segments)
        if past.decision.action == Action.BLOCK:
            return Verdict(past.decision, not_inspected=seen.skipped)
        verdict = await self.rewrite_prompt(past.decision, seen, segments, about)
        return remembering(verdict, past, segments) if past.replaced else verdict

    async def inspect(
        self, plan: Plan, direction: Direction, segments: Sequence[Segment], asked: tuple[Segment, ...] = ()
    ) -> Seen:
        """Run the checks; `asked`: recent turns of what an answer answers."""
        seen = Seen()
        if not plan.whole:
            return seen
        seen.read = read = await self.runner.apart(segments, read_all)
        for unit in plan.whole:
            places = [i for i, segment in enumerate(read) if unit.reads(segment.role)]
            if not places:
                continue
            texts = [read[i] for i in places]
            if asked and unit.pairing is not None:
                texts = [replace(text, before=asked) for text in texts]
            with step(f"check {unit.label}", {"parapet.check": unit.label, "parapet.direction": direction}) as span:
                reports, failed = await self.runner.reports(unit, texts, direction)
                if span.traced:
                    span.note({"parapet.findings": sum(len(r.findings) for r in reports), "parapet.failures": len(failed)})
            seen.failures += failed
            for i, report in zip(places, reports, strict=False):
                seen.findings += [finding.at(i, read[i].role) for finding in report.findings]
                seen.failures += report.failures
                for reason in report.not_inspected:
                    seen.skipped[reason] = seen.skipped.get(reason, 0) + 1
        if direction == "prompt":
            await self.inspect_together(plan, seen)
        seen.failures = list(dict.fromkeys(seen.failures))
        for failure in seen.failures:
            self.runner.metrics.check_failed(failure.check, failure.kind)
        return seen

    async def inspect_together(self, plan: Plan, seen: Seen) -> None:
        """Let checks that look for what may be said over several turns or parts read recent ones as one text, too."""
        units = [unit for unit in plan.whole if unit.converses and unit.reads("user")]
        checks = {name for unit in units for name, _ in unit.check.names}
        for past in (True, False) if units else ():  # what was said before is at fault alone, if it is
            asks = Asks.of(self.policies, [each for each in seen.findings if each.role == "user" and each.check in checks])
            joined = together(seen.read, past=past, besides=asks.blocked)
            if joined is None:
                continue
            for unit in units:
                reports, failed = await self.runner.reports(unit, [joined.segment], "prompt")
                seen.failures += failed
                for report in reports:
                    seen.findings += joined.apart(report, seen.read, asks)
                    seen.failures += report.failures

    async def rewrite_prompt(self, decision: Decision, seen: Seen, segments: Sequence[Segment], about: Conversation) -> Verdict:
        """How a prompt that goes on changes; its names are kept before a backend sees them, or the rules' on_error holds."""
        named = self.prompt.named
        if not named and decision.action != Action.REDACT:
            return Verdict(decision, not_inspected=seen.skipped)
        rewriting = Rewriting(about, "prompt")
        if named:
            await about.open()
        for _ in range(ATTEMPTS):
            texts = await self.runner.apart(segments, lambda given: rewriting.prompt(decision, given, seen.read, named))
            if not named or await about.keep():
                break
            about.forget_names()  # another process took one of them at the same time
        if about.trouble is not None:
            self.runner.metrics.check_failed(VAULT, about.trouble)
            if about.made:
                seen.failures.append(Failure(VAULT, "", about.trouble))
                decision = decide(self.policies, "prompt", seen.findings, seen.failures)
                if decision.action == Action.BLOCK:
                    return Verdict(decision, not_inspected=seen.skipped)
        return Verdict(decision, texts, seen.skipped, rewriting.replaced)

    async def judge_completion(self, segments: Sequence[Segment], about: Conversation) -> Verdict:
        """Judge what the model wrote, and only then put back what the caller had said: nothing that is put back is judged."""
        seen = await self.inspect(self.completion, "completion", segments, about.asked)
        if seen.findings:
            seen.findings = [found for found in seen.findings if not about.is_name(seen.read[found.segment].text, 0, found)]
        decision = decide(self.policies, "completion", seen.findings, seen.failures)
        if decision.action == Action.BLOCK:
            return Verdict(decision, not_inspected=seen.skipped)
        restorer = Restorer(about) if about.live else None
        if decision.action != Action.REDACT and restorer is None:
            return Verdict(decision, not_inspected=seen.skipped)
        rewriting = Rewriting(about, "completion")
        texts = await self.runner.apart(segments, lambda given: rewriting.completion(decision, given, restorer))
        return Verdict(decision, texts, seen.skipped, rewriting.replaced, restorer)

    def growing(self, conversation: Conversation | None = None) -> Growing:
        """The guard of a completion that comes in pieces."""
        about = conversation or self.runner.conversations.of(Principal(), "", "", stored=False)
        return Growing(streamed(self.policies), self.completion, self.runner.settings.max_hold, self.runner.metrics, about)


def remembering(verdict: Verdict, past: Past, segments: Sequence[Segment]) -> Verdict:
    """The verdict with the turns of the past that a rule blocks replaced as a whole, or dropped."""
    if verdict.decision.action == Action.BLOCK:
        return verdict
    texts = {**verdict.texts, **{i: without(segments[i], note) for i, note in past.replaced.items()}}
    return replace(verdict, texts=texts, dropped=past.dropped)


def read_all(segments: Sequence[Segment]) -> Sequence[Segment]:
    """The segments as checks read them: JSON behind its escapes."""
    if all(segment.form == "text" for segment in segments):
        return segments
    return [replace(s, text=readable(s.text, s.form)) if s.form != "text" else s for s in segments]


def in_form(segments: Sequence[Segment], about: Conversation) -> Sequence[Segment]:
    """The segments of a completion, as JSON where that was asked for."""
    if not about.structured:
        return segments
    return [replace(segment, form=form_of(segment.form, segment.role, about)) for segment in segments]


def keyless(policies: PolicySet) -> Iterator[Problem]:
    """The rules that need a key."""
    for policy in policies.policies:
        for rule in policy.rules:
            ways = {rule.replaces(category).way for category in rule.categories} - {"label", "mask"}
            if ways:
                told = f"as: {', '.join(sorted(ways))} needs a key: name the variable that holds it in redaction_key_env"
                yield Problem(policy.file, 1, 1, rule.id, told)


class Engine:
    """Holds the policies in force, and the guards for those who call under them."""

    def __init__(
        self,
        settings: Settings,
        catalogue: Mapping[str, CheckKind],
        combine: Combine,
        metrics: Metrics,
        conversations: Conversations = NO_KEYS,
    ) -> None:
        threads = ThreadPoolExecutor(settings.check_threads, thread_name_prefix="parapet-check")
        self.settings, self.catalogue, self.combine, self.conversations = settings, catalogue, combine, conversations
        self.runner = Runner(settings, metrics, threads, conversations, Memory(settings.verdict_cache))
        self.force = Force(PolicySet(), self.planner())

    def planner(self) -> Planner:
        return Planner(self.catalogue, self.combine, self.settings.check_timeout)

    def use(self, policies: PolicySet) -> None:
        """Put a policy set in force: what it needs for every known caller is made first, then it replaces the old in one step.

        Raises PolicyError when a rule needs a key and there is none.
        """
        if self.conversations.keys is None and (problems := [*keyless(policies)]):
            raise PolicyError(problems)
        force = Force(policies, self.planner())
        teams = {"", *(key.team for key in self.settings.keys)}
        for team in teams:
            for model in self.settings.pools:
                force.guard(team, model, self.runner)
        self.force = force

    @property
    def policies(self) -> PolicySet:
        """The policies in force."""
        return self.force.policies

    def guard(self, team: str, model: str) -> Guard:
        """The guard of a call by `team` to `model`."""
        return self.force.guard(team, model, self.runner)

    def close(self) -> None:
        """Let go of the threads."""
        self.runner.threads.shutdown(wait=False, cancel_futures=True)


class Force:
    """One policy set in force: its guards, made once for each set of policies that can hold together."""

    def __init__(self, policies: PolicySet, planner: Planner) -> None:
        self.policies, self.planner = policies, planner
        self.callers: dict[tuple[str, str], Guard] = {}
        self.guards: dict[tuple[str, ...], Guard] = {}

    def guard(self, team: str, model: str, runner: Runner) -> Guard:
        """Callers come from the configuration, so there are few of them."""
        guard = self.callers.get((team, model))
        if guard is None:
            held = self.policies.matching(team, model)
            key = tuple(policy.name for policy in held)
            guard = self.guards.get(key) or self.make(held, runner)
            self.guards[key] = self.callers[team, model] = guard
        return guard

    def make(self, held: tuple[Policy, ...], runner: Runner) -> Guard:
        prompt, completion = self.planner.plan(held, "prompt"), self.planner.plan(held, "completion")
        return Guard(held, prompt, completion, runner, overlaps(held))
