"""``python -m gpudock.cli`` is ``gpudock``."""

import sys

from gpudock.cli.main import main

sys.exit(main())
