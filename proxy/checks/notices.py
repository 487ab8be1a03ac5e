"""Licences as tables: which are copyleft, and the notices by which they are known."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

COPYLEFT = (
    "GPL-*", "AGPL-*", "LGPL-*", "MPL-*", "EPL-*", "EUPL-*", "CC-BY-SA-*", "CC-BY-NC-SA-*", "CECILL-*", "OSL-*", "MS-RL",
    "ODbL-*", "CERN-OHL-S*", "CERN-OHL-W*", "GFDL-*", "CDDL-*", "SSPL-*", "LPPL-*", "OFL-*", "QPL-*", "RPL-*",
    "Sleepycat", "APSL-*",
)  # fmt: skip  # a list reads better in rows
OPENINGS = ("licensed under", "released under", "distributed under", "available under", "provided under", "published under")
NAMES: dict[str, tuple[str, ...]] = {
    "Apache-2.0": (
        "apache license version 2.0",
        "apache license 2.0",
        "apache 2.0 license",
        "apache-2.0 license",
        "apache software license 2.0",
    ),
    "MIT": ("mit license", "mit licence", "expat license"),
    "ISC": ("isc license",),
    "BSD-2-Clause": ("bsd 2-clause license", "simplified bsd license", "2-clause bsd license", "two-clause bsd license"),
    "BSD-3-Clause": (
        "bsd 3-clause license",
        "new bsd license",
        "modified bsd license",
        "3-clause bsd license",
        "three-clause bsd license",
    ),
    "BSL-1.0": ("boost software license version 1.0", "boost software license"),
    "MPL-2.0": ("mozilla public license version 2.0", "mozilla public license 2.0", "mozilla public license v. 2.0", "mpl 2.0"),
    "EPL-2.0": ("eclipse public license 2.0", "eclipse public license v2.0", "eclipse public license version 2.0"),
    "EPL-1.0": ("eclipse public license v1.0", "eclipse public license 1.0"),
    "GPL-2.0": (
        "gnu general public license version 2",
        "gnu general public license v2",
        "gnu gpl version 2",
        "gplv2",
        "gpl v2",
        "gnu gpl v2",
        "gnu gplv2",
    ),
    "GPL-3.0": (
        "gnu general public license version 3",
        "gnu general public license v3",
        "gnu gpl version 3",
        "gplv3",
        "gpl v3",
        "gnu gpl v3",
        "gnu gplv3",
    ),
    "LGPL-2.1": ("gnu lesser general public license version 2.1", "gnu lgpl version 2.1", "lgplv2.1", "lgpl v2.1"),
    "LGPL-3.0": ("gnu lesser general public license version 3", "lgplv3", "lgpl v3"),
    "AGPL-3.0": ("gnu affero general public license version 3", "gnu affero general public license v3", "agplv3", "agpl v3"),
    "CC-BY-4.0": ("creative commons attribution 4.0",),
    "CC-BY-SA-4.0": ("creative commons attribution-sharealike 4.0", "creative commons attribution share alike 4.0"),
    "CC0-1.0": ("cc0 1.0 universal", "creative commons zero"),
}
GNU = {
    "gnu general public license": "GPL",
    "gnu lesser general public license": "LGPL",
    "gnu library general public license": "LGPL",
    "gnu affero general public license": "AGPL",
}
VERSIONS = {"GPL": ("2", "3"), "LGPL": ("2", "2.1", "3"), "AGPL": ("3",)}
PUBLISHED = ("as published by the free software foundation", "published by the free software foundation")
STYLED = "use of this source code is governed by {}-style license that can be found in the license file"
ECLIPSE = "this program and the accompanying materials are made available under the terms of the eclipse public license"
NOTICES = (
    ("MPL-2.0", "this source code form is subject to the terms of the mozilla public license v. 2.0"),
    ("Apache-2.0", "www.apache.org/licenses/license-2.0"),
    ("BSD-3-Clause", STYLED.format("a bsd")),
    ("MIT", STYLED.format("an mit")),
    ("Unlicense", "this is free and unencumbered software released into the public domain"),
    ("EPL-2.0", f"{ECLIPSE} v. 2.0"),
    ("EPL-2.0", f"{ECLIPSE} 2.0"),
    ("EPL-1.0", f"{ECLIPSE} v1.0"),
    ("CC0-1.0", "creativecommons.org/publicdomain/zero/1.0"),
)
CREATIVE_COMMONS = ("by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd")


def is_copyleft(licence: str) -> bool:
    """Whether a licence, by its SPDX id or its family, asks that works made from it go under it too."""
    return any(fnmatchcase(form, pattern.upper()) for form in (licence.upper(), f"{licence.upper()}-") for pattern in COPYLEFT)


def phrases() -> Iterator[tuple[str, str]]:
    """Notices, each with the SPDX id that it stands for."""
    yield from NOTICES
    for kind in CREATIVE_COMMONS:
        for version in ("2.0", "2.5", "3.0", "4.0"):
            yield f"CC-{kind.upper()}-{version}", f"creativecommons.org/licenses/{kind}/{version}"
    for spdx, names in NAMES.items():
        for opening in OPENINGS:
            for name in names:
                for words in (f"{opening} the {name}", f"{opening} {name}", f"{opening} the terms of the {name}"):
                    yield spdx, words
    for name, short in GNU.items():
        for version in VERSIONS[short]:
            full = version if "." in version else f"{version}.0"
            for by in PUBLISHED:
                yield f"{short}-{full}-or-later", f"{name} {by} either version {version}"
                yield f"{short}-{full}-or-later", f"{name} {by} version {version} or at your option any later version"
                yield f"{short}-{full}-only", f"{name} {by} version {version} of the license"
                yield f"{short}-{full}-only", f"{name} version {version} {by}"
                yield f"{short}-{full}-only", f"{name} version {version} only {by}"
