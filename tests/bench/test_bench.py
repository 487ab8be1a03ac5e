"""The scripted backend, the load generator and the report agree on what was sent and what came back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from string import Template
from xml.etree import ElementTree as ET

import orjson
import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from bench import backend, load, peers, processes, report, systems, texts
from bench.chart import chart
from bench.measure import Measured, Sample, Scenario, Start, said
from proxy import policy, settings
from proxy.checks import CATALOGUE

PATH = "/v1/chat/completions"


def exchange(script: backend.Script, *, stream: bool, count: int, connections: int) -> tuple[load.Outcome, backend.Served]:
    """Sends `count` chats to a backend of its own, and gives both sides' account."""

    async def both() -> tuple[load.Outcome, backend.Served]:
        served = backend.Served()
        loop = asyncio.get_running_loop()
        async with await loop.create_server(backend.connections(script, served), "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{PATH}"
            sent = load.Load(url, texts.chats("test", count, stream=stream), connections, keep=count)
            return await load.send(sent), served

    return uvloop.run(both())


def test_every_whole_call_is_counted_on_both_sides() -> None:
    """As many calls as bodies, each answered with an answer of the script, and the same bytes on both sides."""
    script = backend.Script.of(answers=7)
    outcome, served = exchange(script, stream=False, count=100, connections=8)
    assert len(outcome.good) == served.whole == 100
    assert served.request_bytes == sum(map(len, texts.chats("test", 100, stream=False)))
    assert {said(answer) for answer in outcome.answers} == {answer.text for answer in script.answers}
    assert sum(call.size for call in outcome.calls) == sum(map(len, outcome.answers))


def test_every_chunk_of_a_stream_is_counted() -> None:
    """A stream is the role, a token each, the end, the usage and [DONE]; its text is that of the whole answer."""
    script = backend.Script.of(answers=3, tokens=20, pace=0.001)
    outcome, served = exchange(script, stream=True, count=12, connections=4)
    assert served.streams == len(outcome.good) == 12
    assert {call.events for call in outcome.calls} == {1 + 20 + 1 + 1 + 1}
    assert {said(answer) for answer in outcome.answers} == {answer.text for answer in script.answers}
    assert all(0 < call.first <= call.text < call.seconds and call.gap < call.seconds for call in outcome.calls)


def test_a_paced_stream_lasts_as_long_as_its_pace_says() -> None:
    """Twenty tokens 5 ms apart take at least nineteen pauses, and without a pace no pause."""
    paced, _ = exchange(backend.Script.of(answers=1, tokens=20, pace=0.005), stream=True, count=1, connections=1)
    assert paced.calls[0].seconds > 0.09
    at_once, _ = exchange(backend.Script.of(answers=1, tokens=20, pace=0), stream=True, count=1, connections=1)
    assert at_once.calls[0].events == 24


def test_a_client_that_leaves_ends_its_stream() -> None:
    """The load's patience ends a stream that is too slow: the call is lost, and the backend notices."""

    async def leave() -> tuple[load.Outcome, backend.Served]:
        served = backend.Served()
        script = backend.Script.of(answers=1, pace=1.0)
        loop = asyncio.get_running_loop()
        async with await loop.create_server(backend.connections(script, served), "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{PATH}"
            outcome = await load.send(load.Load(url, texts.chats("leave", 1, stream=True), patience=0.1))
            for _ in range(100):
                if served.cancelled:
                    break
                await asyncio.sleep(0.01)
        return outcome, served

    outcome, served = uvloop.run(leave())
    assert [call.status for call in outcome.calls] == [0]
    assert served.cancelled == 1


def test_calls_that_nobody_answers_are_lost_and_not_errors() -> None:
    """Without a listener every call is counted as lost."""
    url = f"http://127.0.0.1:{processes.free_port()}{PATH}"
    outcome = uvloop.run(load.send(load.Load(url, texts.chats("nobody", 5, stream=False), connections=2)))
    assert [call.status for call in outcome.calls] == [0] * 5
    assert not outcome.good


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1:80/v1", "https://127.0.0.1:443/v1", "http://127.0.0.1/v1", "http://example.org:80/"]
)
def test_load_stays_on_this_machine(url: str) -> None:
    """An address that is not on the loopback is refused before anything is sent."""
    with pytest.raises(ValueError, match=r"127\.0\.0\.1|does not appear"):
        uvloop.run(load.send(load.Load(url, [b"{}"])))


def test_chats_are_of_the_promised_size_and_never_alike() -> None:
    """A chat has 2.5 KB within a fifth, an answer 200 tokens and about a kilobyte; none is there twice."""
    chats = texts.chats("sizes", 300, stream=False)
    assert len(set(chats)) == 300
    assert all(2000 < len(chat) < 3000 for chat in chats)
    answers = [texts.answer(number) for number in range(300)]
    assert len({answer.text for answer in answers}) == 300
    assert all(len(answer.tokens) == 200 and 900 < len(answer.text) < 1300 for answer in answers)


@given(st.text(), st.integers(0, 3))
def test_an_answer_that_was_changed_is_seen(text: str, cut: int) -> None:
    """The text of a stream is read only from one that is complete, so a cut stream is never taken for a good one."""
    script = backend.Script((texts.Answer(("a", text or "b")),), (), 0.0)
    lines = b"".join(script.beats(0, usage=True)).split(b"\n\n")[:-1]
    kept = lines[: len(lines) - cut]
    assert said(b"\n\n".join(kept)) == (script.answers[0].text if cut == 0 else None)


def test_usage_counts_the_time_of_children_alive_and_ended() -> None:
    """CPU is that of the whole tree, also of a child that has ended, and memory is what is resident."""
    burn = "import time\nwhile time.process_time() < 0.2: pass\n"
    program = (
        f"import subprocess, sys, time\nsubprocess.run([sys.executable, '-c', {burn!r}])\n"
        f"subprocess.Popen([sys.executable, '-c', {burn + 'time.sleep(60)'!r}])\nprint('x', flush=True)\ntime.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            deadline = time.monotonic() + 20
            while processes.usage(process.pid).cpu < 0.4 and time.monotonic() < deadline:
                time.sleep(0.02)
            used = processes.usage(process.pid)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    assert used.cpu >= 0.4
    assert used.rss > 2**20


def test_a_system_that_ends_at_once_says_why(tmp_path: Path) -> None:
    """What a system wrote last is in the error, so that a broken command is understood."""
    command = [sys.executable, "-c", "raise SystemExit('no such pool')"]
    log, url = tmp_path / "log.txt", f"http://127.0.0.1:{processes.free_port()}{PATH}"
    with (
        pytest.raises(processes.StartError, match="status 1: no such pool"),
        processes.running(command, url, folder=tmp_path, log=log, env={}, probe=b"{}", patience=20),
    ):
        pytest.fail("it never came up")


def test_systems_are_chosen_by_name_and_group() -> None:
    """The bare relay is always there and first; an unknown name is refused with those that are known."""
    assert [system.name for system in systems.chosen("plain,servers")][:3] == ["relay", "plain", "answering"]
    assert {name for group in systems.GROUPS.values() for name in group} <= {system.name for system in systems.SYSTEMS}
    with pytest.raises(ValueError, match="relay-parsed"):
        systems.chosen("nothing-like-it")


def test_the_files_of_parapets_rows_are_good(tmp_path: Path) -> None:
    """What the benchmark writes for Parapet loads as settings and as policies, and the backend is the scripted one."""
    row = next(system for system in systems.SYSTEMS if system.name == "parapet-no-policy")
    for name, source in row.files.items():
        written = Template(source).substitute(backend="http://127.0.0.1:9100", folder=tmp_path, root=systems.ROOT)
        (tmp_path / name).write_text(written)
    found = settings.load(tmp_path / "parapet.yaml", {}, {})
    assert "http://127.0.0.1:9100/v1" in str(found.pools["bench"])
    policies = policy.load(list(found.policies), CATALOGUE)
    assert [each.name for each in policies.matching("", "another-model")] == ["nobodys"]
    assert not policies.matching("", "bench")


def sample(system: str, turn: int, cpu: float, *, failed: int = 0) -> Sample:
    """A sample whose other figures do not matter."""
    scenario = Scenario("calls", 16, 100)
    return Sample(system, scenario, turn, cpu, 1e-5, 100.0, 0.001, 0.002, 0.001, 0.0, 2**20, failed, 0)


@pytest.mark.parametrize(("cpu", "failed", "word"), [(3e-4, 0, "PASS"), (3.3e-4, 0, "MISS"), (1e-4, 1, "----")])
def test_a_target_is_judged_by_the_ratio_within_a_round(cpu: float, failed: int, word: str) -> None:
    """A machine that is twice as slow in one round moves no ratio; a system with wrong answers passes nothing."""
    pairs = [("backend", 1e-5), ("relay", 2e-4), ("parapet-no-policy", cpu)]
    samples = tuple(sample(name, turn, slow * each, failed=failed) for turn, slow in enumerate((1, 2)) for name, each in pairs)
    measured = Measured(tuple(Start(name, 0.1, 2**20) for name, _ in pairs), samples)
    row = report.rows(measured)[-1]
    assert row.ratio.low == pytest.approx(row.ratio.high) == pytest.approx(cpu / 2e-4)
    assert report.verdicts([row])[0].startswith(word)
    assert report.sound(measured) == (failed == 0)
    assert f"\n{word}  calls, no policy" in report.text(measured)


def test_in_an_open_loop_a_call_is_timed_from_when_it_was_due() -> None:
    """A backend that stalls once makes the calls behind it late, too: they were due, though nobody could send them."""

    async def both() -> load.Outcome:
        first = True

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal first
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while head := await reader.readuntil(b"\r\n\r\n"):
                    await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
                    stall, first = first, False
                    await asyncio.sleep(0.5 if stall else 0)
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{PATH}"
            return await load.send(load.Load(url, texts.chats("open", 20, stream=False), connections=1, rate=100.0))

    outcome = uvloop.run(both())
    times = {call.number: call.seconds for call in outcome.good}
    assert len(times) == 20
    assert all(times[number] > 0.5 - number * 0.01 - 0.005 for number in range(20))


def test_the_calls_of_a_day_resend_what_was_said() -> None:
    """Each call holds the call before of its conversation; three in a hundred or so should be stopped."""
    turns = texts.day("d", 2000)
    assert [turn.body for turn in turns] == [turn.body for turn in texts.day("d", 2000)]
    assert 0.02 < sum(turn.stop for turn in turns) / len(turns) < 0.04
    said = [orjson.loads(turn.body)["messages"] for turn in turns]
    known = {orjson.dumps(messages) for messages in said}
    later = [messages for messages in said if len(messages) > 2]
    assert all(orjson.dumps(messages[:-2]) in known for messages in later)
    assert len(later) > len(said) / 2


def test_commands_that_run_together_end_together() -> None:
    """Whichever ends first."""
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    ender = [sys.executable, "-c", "raise SystemExit(3)"]
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "bench.together", *sleeper, "--", *ender], cwd=systems.ROOT, check=False)
    assert done.returncode == 3
    assert time.monotonic() - began < 50


def test_a_chart_shows_each_system_once_the_cheapest_first() -> None:
    """As an image that any browser draws; the backend by itself is no system."""
    pairs = [("backend", 1e-5), ("litellm", 2e-2), ("relay", 2e-4), ("parapet-all", 1e-3)]
    measured = Measured(tuple(Start(name, 0.1, 2**20) for name, _ in pairs), tuple(sample(name, 0, cpu) for name, cpu in pairs))
    drawn = chart(report.rows(measured))
    names = [each.text for each in ET.fromstring(drawn).iter() if each.attrib.get("text-anchor") == "end"]
    assert names == ["relay", "parapet-all", "litellm"]
    assert "20 ms (100.0 x)" in drawn
    with pytest.raises(ValueError, match="at 64"):
        chart(report.rows(measured), 64)


def test_a_ratio_to_a_peer_is_judged() -> None:
    """Of the same load; a peer that was not measured is said to be missing."""
    pairs = [("backend", 1e-5), ("relay", 2e-4), ("litellm", 2e-2), ("parapet-all", 1e-3)]
    measured = Measured(tuple(Start(name, 0.1, 2**20) for name, _ in pairs), tuple(sample(name, 0, cpu) for name, cpu in pairs))
    said = report.verdicts(report.rows(measured))
    assert any(line.startswith("PASS") and "litellm: 0.050" in line for line in said)
    assert any(line.startswith("----") and "portkey-guard" in line for line in said)


def test_a_peer_that_is_not_set_up_says_how() -> None:
    """And every peer's systems name one that can be."""
    known = {peer.name for peer in peers.PEERS}
    assert {system.peer for system in systems.SYSTEMS} - {""} == known
    for peer in peers.PEERS:
        assert all(re.search(r"(==|@)\d", package) for package in peer.packages[:1]), "the peer itself has a pinned version"
