"""Grafana dashboards, Prometheus rules and alerts, and runbooks: `python -m dashboards.build` writes what is generated."""
