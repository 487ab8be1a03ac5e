"""`parapet serve`, as a process, called with OpenAI's SDK."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import openai
import pytest

from tests.e2e.server import Server, serving

pytestmark = pytest.mark.slow
POLICY = "policy: mine\nrules:\n  - {{id: no-mail, check: pii, with: {{entities: [{entity}]}}, action: block}}\n"


def client(server: Server) -> openai.OpenAI:
    """OpenAI's SDK, pointed at the server."""
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0)


def asked(server: Server, text: str) -> str:
    """The answer's text, or the error's code."""
    try:
        answer = client(server).chat.completions.create(model="echo", messages=[{"role": "user", "content": text}])
    except openai.APIStatusError as error:
        return str(error.code)
    return str(answer.choices[0].message.content)


def until(holds: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Whether it holds in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return False


def test_without_a_configuration_the_shipped_policies_guard_the_embedded_backend(tmp_path: Path) -> None:
    """One command and it works; the records on stderr hold no text."""
    with serving(tmp_path) as server:
        assert asked(server, "card 4111 1111 1111 1111") == "You said: card <CREDIT_CARD>"
        assert client(server).models.list().data[0].id == "echo"
        assert json.loads(server.get("/healthz")) == {"status": "ok"}
        assert server.stop() in (0, -signal.SIGTERM)
        log = server.log.read_text()
    [record] = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert record["prompt"]["rule"] == "no-payment-data"
    assert "4111 1111" not in log


def test_policies_are_reloaded_in_all_workers_and_bad_ones_are_not(tmp_path: Path) -> None:
    """A changed file is in force in every worker; one with a mistake leaves what was, and `/readyz` says so."""
    policy = tmp_path / "policies" / "mine.yaml"
    policy.parent.mkdir()
    policy.write_text(POLICY.format(entity="EMAIL_ADDRESS"))
    config = "workers: 2\npolicies: [policies]\nreload: 100ms\n"
    with serving(tmp_path, config=config) as server:
        assert asked(server, "jo@example.com") == "content_filter"
        policy.write_text(POLICY.format(entity="CREDIT_CARD"))
        assert until(lambda: all(asked(server, "jo@example.com") != "content_filter" for _ in range(12)))
        policy.write_text(POLICY.format(entity="CREDIT_CRD"))
        assert until(lambda: all(json.loads(server.get("/readyz"))["refused"] for _ in range(12)))
        [problem] = json.loads(server.get("/readyz"))["refused"]
        assert re.search(r"mine\.yaml:3:\d+.*CREDIT_CRD", problem)
        assert asked(server, "card 4111 1111 1111 1111") == "content_filter"
        metrics = server.get("/metrics").decode()
        assert 'parapet_policy_loads_total{result="refused"}' in metrics
        assert "\nparapet_policy_refused 1.0\n" in metrics
        policy.write_text(POLICY.format(entity="EMAIL_ADDRESS"))
        assert until(lambda: all(asked(server, "jo@example.com") == "content_filter" for _ in range(12)))
        assert until(lambda: not any(json.loads(server.get("/readyz"))["refused"] for _ in range(12)))


def test_several_workers_count_together_and_append_to_one_file(tmp_path: Path) -> None:
    """Whoever is asked for metrics answers for all, and no record is lost or torn."""
    records = tmp_path / "records.jsonl"
    with serving(tmp_path, "--workers", "2", PARAPET_RECORD=str(records)) as server:
        threads = [threading.Thread(target=lambda: [asked(server, "hello") for _ in range(10)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counted = 'parapet_calls_total{dialect="openai-chat",model="echo",outcome="served"} 40.0'
        assert until(lambda: counted in server.get("/metrics").decode())
        assert server.stop() in (0, -signal.SIGTERM)
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    assert len(lines) == len({line["request_id"] for line in lines}) == 40


def workers(server: Server) -> list[int]:
    """The processes that serve."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux tells a process's children there")
def test_a_worker_that_is_killed_leaves_no_calls_behind(tmp_path: Path) -> None:
    """It is replaced, its calls are no longer under way, and the next ones work."""
    baseline = Path(__file__).parents[2] / "policies" / "baseline.yaml"  # without models: new workers are there at once
    config = f"workers: 2\npolicies: [{baseline}]\npools: {{echo: {{backends: [{{kind: echo, pace: 200ms, chunk: 2}}]}}}}\n"
    with serving(tmp_path, config=config) as server:
        stream = client(server).chat.completions.create(
            model="echo", messages=[{"role": "user", "content": "many words " * 20}], stream=True
        )
        next(iter(stream))
        assert "\nparapet_calls_in_flight 1.0\n" in server.get("/metrics").decode()
        before = workers(server)
        assert len(before) == 2
        for pid in before:  # nobody knows which of them has the call
            os.kill(pid, signal.SIGKILL)
        assert until(lambda: "\nparapet_calls_in_flight 0.0\n" in server.get("/metrics").decode())
        assert until(lambda: len(workers(server)) == 2)
        assert not set(before) & set(workers(server))
        assert {asked(server, "x") for _ in range(4)} == {"You said: x"}
        stream.close()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux tells a process's children there")
def test_workers_end_with_whoever_started_them(tmp_path: Path) -> None:
    """Killed or not: else they would keep the port, and nobody would look after them."""
    baseline = Path(__file__).parents[2] / "policies" / "baseline.yaml"
    with serving(tmp_path, config=f"workers: 2\npolicies: [{baseline}]\n") as server:
        left = workers(server)
        assert len(left) == 2
        server.process.kill()
        server.process.wait()
        assert until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in left), 60)


def test_a_stream_that_is_under_way_finishes_when_the_server_stops(tmp_path: Path) -> None:
    """SIGTERM in its middle loses nothing of it."""
    config = "pools: {echo: {backends: [{kind: echo, pace: 100ms, chunk: 4}]}}\n"
    with serving(tmp_path, config=config) as server:
        stream = client(server).chat.completions.create(
            model="echo", messages=[{"role": "user", "content": "one two three four five six seven"}], stream=True
        )
        said = ""
        stopper = None
        for chunk in stream:
            said += chunk.choices[0].delta.content or ""
            if said and stopper is None:
                stopper = threading.Thread(target=server.stop)
                stopper.start()
        assert said == "You said: one two three four five six seven"
        assert stopper is not None
        stopper.join()


def test_a_bad_policy_stops_the_start_with_its_place(tmp_path: Path) -> None:
    """The process ends with the status 2 and says file, line and column."""
    (tmp_path / "bad.yaml").write_text(POLICY.format(entity="CREDIT_CRD"))
    with pytest.raises(AssertionError, match=r"bad\.yaml:3:\d+"), serving(tmp_path, config="policies: [bad.yaml]\n"):
        pass


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """Instead of a stack trace."""
    (tmp_path / "other").mkdir()
    with serving(tmp_path) as server:
        port = server.url.rpartition(":")[2]
        with (
            pytest.raises(AssertionError, match=f"127.0.0.1:{port}.*Address already in use"),
            serving(tmp_path / "other", "--port", port),
        ):
            pass


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_that_is_told_to_stop_says_so_and_refuses_what_is_new(tmp_path: Path, workers: int) -> None:
    """`/readyz` says `draining`, new calls are told when to try again, and the streams under way come to their end."""
    baseline = Path(__file__).parents[2] / "policies" / "baseline.yaml"  # without models: the workers are there at once
    config = (
        f"workers: {workers}\npolicies: [{baseline}]\npools: {{echo: {{backends: [{{kind: echo, pace: 200ms, chunk: 4}}]}}}}\n"
    )
    words = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    with serving(tmp_path, config=config) as server, client(server) as sdk:
        streams = [
            sdk.chat.completions.create(model="echo", messages=[{"role": "user", "content": words}], stream=True)
            for _ in range(4)
        ]
        said = [next(iter(stream)).choices[0].delta.content or "" for stream in streams]
        server.process.send_signal(signal.SIGTERM)
        assert until(lambda: status(server, "/readyz") == (503, "draining"))
        with pytest.raises(openai.InternalServerError, match="about to stop and takes no new calls") as refused:
            client(server).chat.completions.create(model="echo", messages=[{"role": "user", "content": "x"}])
        assert (refused.value.status_code, refused.value.code) == (503, "draining")
        assert refused.value.response.headers["retry-after"] == "1"
        assert refused.value.response.headers["connection"] == "close"
        assert status(server, "/healthz") == (200, "ok")
        for number, stream in enumerate(streams):
            said[number] += "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        assert said == [f"You said: {words}"] * 4
        assert server.process.wait(30) in (0, -signal.SIGTERM)


def status(server: Server, path: str) -> tuple[int, str]:
    """The status of a page, and what it says of it."""
    try:
        with urllib.request.urlopen(server.url + path, timeout=30) as answer:
            return answer.status, json.loads(answer.read())["status"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())["status"]


def test_calls_are_still_taken_for_the_delay_and_called_off_after_the_grace(tmp_path: Path) -> None:
    """A load balancer sees `draining` before any call is refused; a stream that outlasts the grace ends with an error."""
    baseline = Path(__file__).parents[2] / "policies" / "baseline.yaml"
    pool = "{echo: {backends: [{kind: echo, pace: 1s, chunk: 1}]}}"
    config = f"policies: [{baseline}]\nshutdown_delay: 1500ms\nshutdown_grace: 1s\npools: {pool}\n"
    with serving(tmp_path, config=config) as server, client(server) as sdk:
        stream = sdk.chat.completions.create(model="echo", messages=[{"role": "user", "content": "x" * 99}], stream=True)
        next(iter(stream))
        server.process.send_signal(signal.SIGTERM)
        assert until(lambda: status(server, "/readyz") == (503, "draining"))
        assert asked(server, "x") == "You said: x"
        with pytest.raises(openai.APIError, match="stopped before the call had ended"):
            list(stream)
        assert server.process.wait(30) in (0, -signal.SIGTERM)
        log = server.log.read_text()
    records = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert [(record["outcome"], record["error"]) for record in records] == [("served", ""), ("error", "draining")]
    assert "Traceback" not in log
