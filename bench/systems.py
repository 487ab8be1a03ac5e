"""The table of systems that are measured: one row says how a system is started, and where it listens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BACKEND = "backend"
BASELINE = "relay"  # what the others are compared with

_PARAPET = ("$python", "-m", "proxy.cli", "serve", "--config", "$folder/parapet.yaml", "--port", "$port")
_PARAPET_YAML = """\
pools: {bench: {backends: [{kind: openai, base_url: "$backend/v1"}]}}
policies: [%s]
record: "off"
"""
_NOBODYS = """\
policy: nobodys
description: A policy that applies to no call, so that what remains is the way of a call.
applies_to: {models: [another-model]}
rules:
  - {id: nothing, check: secrets, action: flag}
"""


@dataclass(frozen=True, slots=True)
class System:
    """One system.

    In `command`, `env`, `files` and `headers` stand $python, $port, $spare (another port), $backend (an address), $folder (its
    own), $root, and $peers (where `bench.peers` sets them up).
    """

    name: str
    about: str
    command: tuple[str, ...]
    path: str = "/v1/chat/completions"
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)  # written into its folder before it starts
    patience: float = 60.0  # seconds until it has to answer
    headers: Mapping[str, str] = field(default_factory=dict)  # that its calls need
    peer: str = ""  # whose environment it runs in
    streams: bool = True  # whether it can stream; if not, it gets no streams


def _served(application: str, server: str = "uvicorn") -> tuple[str, ...]:
    return ("$python", "-m", "bench.server", application, "--server", server, "--backend", "$backend", "--port", "$port")


_LITELLM_YAML = """\
model_list: [{model_name: bench, litellm_params: {model: openai/bench, api_base: "$backend/v1", api_key: none}}]
litellm_settings: {telemetry: false, drop_params: true}
"""
_LITELLM_FILTER = """\
guardrails:
  - guardrail_name: filter
    litellm_params:
      guardrail: litellm_content_filter
      mode: [pre_call, post_call]
      default_on: true
      patterns:
        - {pattern_type: prebuilt, pattern_name: email, action: MASK}
        - {pattern_type: prebuilt, pattern_name: us_ssn, action: MASK}
        - {pattern_type: prebuilt, pattern_name: visa, action: MASK}
        - {pattern_type: prebuilt, pattern_name: aws_access_key, action: BLOCK}
"""
_LITELLM_PRESIDIO = """\
guardrails:
  - guardrail_name: presidio
    litellm_params:
      guardrail: presidio
      mode: pre_call
      default_on: true
      presidio_analyzer_api_base: "http://127.0.0.1:$spare/"
      presidio_anonymizer_api_base: "http://127.0.0.1:$spare/"
      pii_entities_config: {CREDIT_CARD: MASK, EMAIL_ADDRESS: MASK, PHONE_NUMBER: MASK, IBAN_CODE: MASK, US_SSN: MASK}
"""
_LITELLM = ("$peers/litellm/bin/litellm", "--config", "$folder/config.yaml", "--host", "127.0.0.1", "--port", "$port")
_LITELLM_ENV = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION"}
_LITELLM_ENV |= {"LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"}  # it listens on the loopback, as all here do
_NEMO_YAML = """\
models: [{type: main, engine: openai, model: bench, parameters: {base_url: "$backend/v1", api_key: none}}]
passthrough: true
"""
_NEMO_RAILS = """\
rails:
  config:
    regex_detection:
      input: &patterns
        patterns: ['\\b\\d{3}-\\d{2}-\\d{4}\\b', '\\b[\\w.+-]+@[\\w-]+\\.[\\w.]+\\b', '\\b(?:\\d[ -]?){13,16}\\b']
      output: *patterns
    injection_detection: {injections: [code, sqli, template, xss], action: reject}
  input: {flows: [regex check input]}
  output: {flows: [regex check output, injection detection]}
"""
_NEMO: tuple[str, ...] = (
    "$peers/nemo/bin/nemoguardrails",
    "server",
    "--config",
    "$folder/configs",
    "--port",
    "$port",
    "--default-config-id",
    "bench",
)
_NEMO += ("--disable-chat-ui",)
_NEMO_ENV = {"OPENAI_API_KEY": "none", "HF_HUB_OFFLINE": "1", "NEMO_GUARDRAILS_TELEMETRY": "0"}
_PORTKEY = ("node", "$peers/portkey/node_modules/@portkey-ai/gateway/build/start-server.js", "--port=$port", "--headless")
_PORTKEY_HEADERS = {"x-portkey-provider": "openai", "x-portkey-custom-host": "$backend/v1", "authorization": "Bearer none"}
_PORTKEY_GUARD = (
    '{"provider": "openai", "custom_host": "$backend/v1", "api_key": "none", "input_guardrails": '
    '[{"default.regexMatch": {"rule": "\\\\b\\\\d{3}-\\\\d{2}-\\\\d{4}\\\\b", "not": true}, "deny": true}]}'
)
# Portkey 1.15.2 answers streams of this backend with status 500: it changes the headers of a fetched response; Node forbids it.
_BESIDE = (
    System(
        "litellm",
        "LiteLLM proxy without a guard",
        _LITELLM,
        env=_LITELLM_ENV,
        files={"config.yaml": _LITELLM_YAML},
        patience=240,
        peer="litellm",
    ),
    System(
        "litellm-filter",
        "LiteLLM proxy with its content filter, four patterns, both directions",
        _LITELLM,
        env=_LITELLM_ENV,
        files={"config.yaml": _LITELLM_YAML + _LITELLM_FILTER},
        patience=240,
        peer="litellm",
    ),
    System(
        "litellm-presidio",
        "LiteLLM proxy with its Presidio guardrail on prompts; Presidio with patterns alone",
        (
            "$python",
            "-m",
            "bench.together",
            "$peers/litellm/bin/python",
            "-m",
            "bench.presidio",
            "--port",
            "$spare",
            "--",
            *_LITELLM,
        ),
        env=_LITELLM_ENV,
        files={"config.yaml": _LITELLM_YAML + _LITELLM_PRESIDIO},
        patience=240,
        peer="litellm",
    ),
    System(
        "nemo",
        "NeMo Guardrails server without rails",
        _NEMO,
        env=_NEMO_ENV,
        files={"configs/bench/config.yml": _NEMO_YAML},
        patience=240,
        peer="nemo",
    ),
    System(
        "nemo-rails",
        "NeMo Guardrails server with the rails that work offline: expressions both ways, injections in answers",
        _NEMO,
        env=_NEMO_ENV,
        files={"configs/bench/config.yml": _NEMO_YAML + _NEMO_RAILS},
        patience=240,
        peer="nemo",
        streams=False,
    ),
    System(
        "llm-guard",
        "llm-guard's scanners that need no model, behind a relay",
        ("$peers/llm-guard/bin/python", "-m", "bench.llmguard", "--backend", "$backend", "--port", "$port"),
        patience=240,
        peer="llm-guard",
        streams=False,
    ),
    System(
        "portkey",
        "Portkey gateway without a guard",
        _PORTKEY,
        headers=_PORTKEY_HEADERS,
        peer="portkey",
        streams=False,
        env={"TRUSTED_CUSTOM_HOSTS": "127.0.0.1"},
    ),
    System(
        "portkey-guard",
        "Portkey gateway with one expression on prompts",
        _PORTKEY,
        headers={"x-portkey-config": _PORTKEY_GUARD},
        peer="portkey",
        streams=False,
        env={"TRUSTED_CUSTOM_HOSTS": "127.0.0.1"},
    ),
)

SYSTEMS = (
    System(BACKEND, "the scripted backend, called directly", ("$python", "-m", "bench.backend", "--port", "$port")),
    System(BASELINE, "the bare relay: Starlette and aiohttp, bytes in, bytes out", _served("relay")),
    System("relay-parsed", "the bare relay, every body and event parsed and written", _served("parsed")),
    System(
        "parapet-no-policy",
        "Parapet with no policy that applies",
        _PARAPET,
        files={"parapet.yaml": _PARAPET_YAML % "$folder/nobodys.yaml", "nobodys.yaml": _NOBODYS},
    ),
    System(
        "parapet-baseline",
        "Parapet with policies/baseline.yaml: pii and secrets, both directions",
        _PARAPET,
        files={"parapet.yaml": _PARAPET_YAML % "$root/policies/baseline.yaml"},
    ),
    System(
        "parapet-all",
        "Parapet with the policies that ship with it: all four families, screens and the encoder",
        _PARAPET,
        files={"parapet.yaml": _PARAPET_YAML % "shipped"},
        patience=180.0,
    ),
    *_BESIDE,
    System("answering", "uvicorn alone: a plain ASGI application that answers itself", _served("answering")),
    System("answering-granian", "granian alone: the same application", _served("answering", "granian")),
    System("plain", "a plain ASGI application around aiohttp, on uvicorn", _served("plain")),
    System("plain-granian", "the same on granian", _served("plain", "granian")),
    System("relay-granian", "the bare relay on granian", _served("relay", "granian")),
)

GROUPS: Mapping[str, tuple[str, ...]] = {
    "peers": ("parapet-all", *(system.name for system in _BESIDE)),
    "parapet": (BASELINE, "relay-parsed", "parapet-no-policy", "parapet-baseline", "parapet-all"),
    "relays": (BASELINE, "relay-parsed", "plain"),
    "servers": ("answering", "answering-granian", "plain", "plain-granian", BASELINE, "relay-granian"),
}


def chosen(words: str) -> tuple[System, ...]:
    """The systems, or groups of them, that a comma-separated list names, the bare relay always first.

    Raises ValueError for a name that is in neither table.
    """
    named = [name for word in words.split(",") for name in GROUPS.get(word.strip(), (word.strip(),))]
    table = {system.name: system for system in SYSTEMS}
    if unknown := [name for name in named if name not in table]:
        raise ValueError(f"{unknown[0]!r}: expected one of {', '.join([*GROUPS, *table])}")
    return tuple(table[name] for name in dict.fromkeys([BASELINE, *named]) if name != BACKEND)
