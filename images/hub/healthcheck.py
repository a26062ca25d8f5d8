"""Succeeds while the hub, or the desk whose address is given, answers and has its database."""

import os
import sys
import urllib.error
import urllib.request

OF_HUB = f"http://127.0.0.1:8081{os.environ.get('GPUDOCK_BASE_URL') or '/'}hub/health"
HEALTH = sys.argv[1] if len(sys.argv) > 1 else OF_HUB

try:
    urllib.request.urlopen(HEALTH, timeout=8).close()  # noqa: S310 (it is ours)
except (urllib.error.URLError, OSError) as error:
    sys.exit(f"{HEALTH} does not answer: {error}")
