"""`python -m proxy.cli` is `parapet`."""

import sys

from proxy.cli import main

sys.exit(main())
