"""The table of the credentials that the `secrets` check knows: one row for each shape, several where a vendor has several.

Prefixes, alphabets, lengths and checksums are those that the vendors publish in their documentation and for their
secret-scanning partners, else those that gitleaks, detect-secrets, Nosey Parker and Kingfisher look for. To add a kind, add a
row: its tests come with its `shape`.
"""

from __future__ import annotations

from proxy.checks.credential_kinds.business import BUSINESS
from proxy.checks.credential_kinds.clouds import CLOUDS
from proxy.checks.credential_kinds.delivery import DELIVERY
from proxy.checks.credential_kinds.kind import Kind
from proxy.checks.credential_kinds.models import MODELS
from proxy.checks.credential_kinds.operations import OPERATIONS
from proxy.checks.credential_kinds.shapes import SHAPES
from proxy.checks.credential_kinds.talk import TALK

__all__ = ["CATEGORIES", "KINDS", "Kind"]

KINDS: tuple[Kind, ...] = (*CLOUDS, *DELIVERY, *MODELS, *TALK, *BUSINESS, *OPERATIONS, *SHAPES)
CATEGORIES: tuple[str, ...] = tuple(dict.fromkeys(kind.category for kind in KINDS))
