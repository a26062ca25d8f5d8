"""Succeeds while the hub, or the desk whose address is given, answers and has its database."""

import sys
import urllib.error
import urllib.request

HEALTH = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8081/hub/health"

try:
    urllib.request.urlopen(HEALTH, timeout=8).close()  # noqa: S310 (it is ours)
except (urllib.error.URLError, OSError) as error:
    sys.exit(f"{HEALTH} does not answer: {error}")
