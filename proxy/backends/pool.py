"""A pool: which deployment serves a call, which may wait, and what happens when one fails."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from random import uniform
from typing import cast

from proxy.backends.base import Asked, Backend
from proxy.backends.breaker import Breaker, State
from proxy.backends.deployment import Attempt, Deployment
from proxy.backends.line import Line, Ticket
from proxy.backends.verdicts import Verdict, elsewhere, pause, verdict
from proxy.errors import BackendError, BackendOverloaded, BackendUnavailable
from proxy.metrics import Metrics
from proxy.settings import Pool as Terms
from proxy.settings import names_of

SMOOTH = 0.1  # the share of a running average that its newest value has
FIRST_RETRIES = 10.0  # retries that are free, so that a pool with few calls has some
SPARED = 1.0  # seconds that a deployment is spared which says that it has too much to do, and not for how long
BRIEFLY = 0.1  # seconds for each failure in a row that others are preferred to a deployment which has failed
SLOW = 10.0  # how many times longer than others, and
LONG = 5.0  # how many seconds at least, a call whose caller has left must have waited to be held against the deployment
log = logging.getLogger(__name__)
Note = Callable[[Attempt], None]


class Pool:
    """All deployments of one model, the state of each, and the line of calls that wait."""

    def __init__(
        self,
        model: str,
        terms: Terms,
        backends: Sequence[Backend],
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model, self.terms, self.metrics, self.clock = model, terms, metrics.pool(model), clock
        self.deployments = [
            Deployment(
                name,
                backend,
                Breaker(terms.failures, terms.cool_down, probed=self.probes(backend)),
                row.weight,
                row.max_in_flight,
            )
            for name, row, backend in zip(names_of(terms.backends), terms.backends, backends, strict=True)
        ]
        self.fallback: Sequence[Pool] = ()
        self.line = Line(terms.queue)
        self.turn = 0.0  # that of the deployment which took the last call
        self.held = 0.0  # seconds that a place is taken, on a running average
        self.allowance = FIRST_RETRIES
        self.tasks: list[asyncio.Task[None]] = []
        for deployment in self.deployments:
            self.tell(deployment)

    def probes(self, backend: Backend) -> bool:
        """Whether a backend is asked, now and then, whether it is well."""
        return bool(self.terms.probe) and hasattr(backend, "probe")

    async def call(self, asked: Asked, note: Note = lambda _: None) -> Attempt:
        """The answer of a deployment, all of it or the beginning of a stream; whoever calls closes it. Raises BackendError.

        `note` is told of each attempt before it is made.
        """
        try:
            return await self.serve(asked, note)
        except BackendError as error:
            if not self.fallback or not elsewhere(error, asked):
                raise
            failed = error
        for pool in self.fallback:
            self.metrics.fell_back()
            try:
                return await pool.serve(asked, note)
            except BackendError as error:
                if not elsewhere(error, asked):
                    raise
        raise failed

    async def serve(self, asked: Asked, note: Note) -> Attempt:
        """The same, without other pools."""
        self.allowance = min(self.allowance + self.terms.retry_share, FIRST_RETRIES)
        deployment = await self.admit(asked)
        tried: list[Deployment] = []
        while True:
            attempt = Attempt(asked, self.model, deployment, len(tried) + 1, self.clock(), self.release)
            note(attempt)
            try:
                await attempt.run()
            except BackendError as error:
                attempt.close()
                tried.append(deployment)
                following = self.another(tried) if elsewhere(error, asked) else None
                if following is None:
                    raise
                deployment = following
            except BaseException:
                attempt.close()
                raise
            else:
                self.began(attempt)
                return attempt

    async def admit(self, asked: Asked) -> Deployment:
        """A deployment with a place for the call, which has it then. Raises BackendUnavailable, BackendOverloaded."""
        deployment = None if self.line.size else self.best()
        if deployment is not None:
            return self.take(deployment)
        self.refuse_if_down()
        ticket, begun = self.join(asked), self.clock()
        self.metrics.waiting(1)
        try:
            self.seat()
            async with asyncio.timeout(self.terms.queue_timeout):
                return cast("Deployment", await ticket.place)
        except TimeoutError:
            self.give_back(ticket)
            raise self.overloaded("late", "the call waited too long for a place", asked.team) from None
        except asyncio.CancelledError:
            self.give_back(ticket)
            raise
        finally:
            self.line.leave(ticket)
            self.metrics.waiting(-1)
            self.metrics.waited(self.clock() - begun)

    def give_back(self, ticket: Ticket) -> None:
        """A call that waits no longer may have got its place just now: the next one has it."""
        place = ticket.place
        if place.done() and not place.cancelled() and place.exception() is None:
            deployment = place.result()
            deployment.in_flight -= 1
            deployment.breaker.gave_up()
            self.metrics.placed(deployment.name, -1)
            self.seat()

    def join(self, asked: Asked) -> Ticket:
        """Get into the line. Raises BackendOverloaded when there is no room, or the wait would be too long."""
        if self.expected(asked.team) > self.terms.queue_timeout:
            raise self.overloaded("slow", "the call would wait too long for a place", asked.team)
        ticket, gone = self.line.join(asked.team, asked.key)
        if gone is not None and not gone.place.done():
            gone.place.set_exception(self.overloaded("displaced", "the line of calls that wait is full", gone.team))
        if ticket is None:
            raise self.overloaded("full", "the line of calls that wait is full", asked.team)
        return ticket

    def expected(self, team: str) -> float:
        """For how many seconds one more call of the team would wait, about; 0 while that is not known."""
        places = sum(each.limit for each in self.deployments if each.breaker.allows(self.clock()))
        return (self.line.ahead(team) + 1) * self.held / places if places else 0.0

    def overloaded(self, cause: str, message: str, team: str = "") -> BackendOverloaded:
        self.metrics.refused(cause)
        return BackendOverloaded(f"all deployments of this model are busy: {message}", min(self.expected(team), 60.0))

    def refuse_if_down(self) -> None:
        """Raises BackendUnavailable when no deployment may be called."""
        now = self.clock()
        if not any(each.breaker.allows(now) for each in self.deployments):
            wait = min(max(each.breaker.until - now, 0.0) for each in self.deployments)
            raise BackendUnavailable("no deployment of this model answers; they are tried again soon", wait)

    def best(self, besides: Sequence[Deployment] = ()) -> Deployment | None:
        """The deployment that takes the next call: the least loaded for its weight, if any has a place."""
        now = self.clock()
        open_to = [each for each in self.deployments if not each.full and each not in besides and each.breaker.allows(now)]
        if len(open_to) == 1:
            return open_to[0]
        return min(open_to, key=lambda each: self.load(each, now), default=None)

    def load(self, each: Deployment, now: float) -> tuple[bool, bool, float, float]:
        """What calls are kept from a deployment by, most important first.

        One that has cooled down is tried before all others, since a failure only costs a retry; then those that are not spared;
        then the one with the fewest calls for its weight; then the one whose turn it is.
        """
        return not each.breaker.open, now < each.spared, each.in_flight / each.weight, max(each.turn, self.turn)

    def take(self, deployment: Deployment) -> Deployment:
        """A call has its place."""
        deployment.in_flight += 1
        self.turn = max(deployment.turn, self.turn)
        deployment.turn = self.turn + 1 / deployment.weight
        deployment.breaker.begin()
        self.metrics.placed(deployment.name, 1)
        return deployment

    def another(self, tried: Sequence[Deployment]) -> Deployment | None:
        """A deployment for a call that failed, if one has a place right now and the allowance is not used up."""
        following = self.best(tried) if len(tried) <= self.terms.retries else None
        if following is None:
            return None
        self.metrics.retried(sent=self.allowance >= 1)
        if self.allowance < 1:
            return None
        self.allowance -= 1
        return self.take(following)

    def seat(self) -> None:
        """Give places to those who wait, as far as there are any; without a deployment to hope for, all are told so."""
        while self.line.size and (deployment := self.best()) is not None:
            ticket = self.line.take()
            if ticket is not None and not ticket.place.done():
                ticket.place.set_result(self.take(deployment))
        if self.line.size:
            try:
                self.refuse_if_down()
            except BackendUnavailable as error:
                while (ticket := self.line.take()) is not None:
                    if not ticket.place.done():
                        ticket.place.set_exception(error)

    def began(self, attempt: Attempt) -> None:
        """An attempt's answer is there, or has begun."""
        deployment = attempt.deployment
        spent = self.clock() - attempt.begun
        deployment.first += (spent - deployment.first) * SMOOTH
        if deployment.breaker.open:
            deployment.breaker.began()
            self.tell(deployment)

    def release(self, attempt: Attempt) -> None:
        """An attempt has ended: note how, and give its place to the next."""
        deployment, held = attempt.deployment, self.clock() - attempt.begun
        deployment.in_flight -= 1
        self.metrics.placed(deployment.name, -1)
        self.held += (held - self.held) * SMOOTH if self.held else held
        if attempt.error is not None:
            self.metrics.attempted(deployment.name, attempt.error.code)
            self.failed(deployment, attempt.error, attempt.asked)
        elif attempt.ran:
            self.metrics.attempted(deployment.name, "ok")
            deployment.breaker.succeeded()
            self.tell(deployment)
        else:
            self.metrics.attempted(deployment.name, "left")
            self.left(deployment, held, attempt.asked)
        self.seat()

    def failed(self, deployment: Deployment, error: BackendError, asked: Asked) -> None:
        """What a failed call means for the deployment."""
        said, breaker = verdict(error), deployment.breaker
        if said is Verdict.BUSY:
            deployment.spared = self.clock() + (pause(error) or SPARED)
        if said not in (Verdict.FAILED, Verdict.SUSPECT):
            breaker.gave_up()
        elif breaker.failed(self.clock(), caller_of(asked) if said is Verdict.SUSPECT else None):
            log.warning("deployment %s of model %s is left alone for a while: %s", deployment.name, self.model, error.code)
        else:
            deployment.spared = self.clock() + BRIEFLY * breaker.run  # else it draws all calls, being the quickest to end them
        self.tell(deployment)

    def left(self, deployment: Deployment, waited: float, asked: Asked) -> None:
        """A caller has left before the answer began: a failure if it had waited far longer than others have to."""
        if waited > max(LONG, deployment.first * SLOW):
            deployment.breaker.failed(self.clock(), caller_of(asked))
        else:
            deployment.breaker.gave_up()
        self.tell(deployment)

    def tell(self, deployment: Deployment) -> None:
        """Keep the metric in step."""
        if deployment.told is not deployment.breaker.open:
            deployment.told = deployment.breaker.open
            self.metrics.opened(deployment.name, is_open=deployment.told)

    @property
    def states(self) -> Mapping[str, State]:
        """The state of each deployment's breaker, by the deployment's name."""
        now = self.clock()
        return {each.name: each.breaker.state(now) for each in self.deployments}

    @property
    def down(self) -> bool:
        """Whether no deployment may be called."""
        return all(state is State.OPEN for state in self.states.values())

    def start(self) -> None:
        """Asked deployments from now on whether they are well, if the configuration says so."""
        self.tasks = [asyncio.create_task(self.watch(each)) for each in self.deployments if each.breaker.probed]

    async def watch(self, deployment: Deployment) -> None:
        """Asked a deployment, again and again."""
        while True:
            await asyncio.sleep(self.terms.probe * uniform(0.9, 1.1))  # noqa: S311 - so that workers do not asked in step
            await self.probe(deployment)

    async def probe(self, deployment: Deployment) -> None:
        """Asked a deployment once. When it is not well, its calls whose answers have not begun go elsewhere."""
        breaker = deployment.breaker
        try:
            await deployment.backend.probe(self.terms.probe_timeout)  # type: ignore[attr-defined]  # `probes` has looked
        except BackendError:
            self.metrics.probed(deployment.name, ok=False)
            if breaker.unanswered(self.clock()):
                log.warning("deployment %s of model %s is left alone: it does not answer probes", deployment.name, self.model)
                deployment.interrupt()
        else:
            self.metrics.probed(deployment.name, ok=True)
            breaker.answered(self.clock())
        self.tell(deployment)
        self.seat()

    async def close(self) -> None:
        """Stop asking, and let go of all connections."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for deployment in self.deployments:
            await deployment.backend.close()


def caller_of(asked: Asked) -> object:
    """Whom a failure may be due to; None where callers cannot be told apart."""
    return (asked.team, asked.key) if asked.team or asked.key else None
