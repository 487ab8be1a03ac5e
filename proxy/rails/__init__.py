"""NeMo Guardrails' runtime, in a process of its own: what blocks there delays the calls that need it, and no others.

`house` is our side of it, `child` the process, `line` how the two speak; `runtime` loads a configuration and judges, `models` are
those that it asks. Nothing here imports the checks, which would cost the process more than the runtime itself.
"""
