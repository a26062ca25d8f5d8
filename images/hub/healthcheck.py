"""Check whether the hub, or the desk whose URL is given, answers and reaches its database."""

import os
import sys
import urllib.error
import urllib.request

HUB_HEALTH = f"http://127.0.0.1:8081{os.environ.get('GPUDOCK_BASE_URL') or '/'}hub/health"
HEALTH = sys.argv[1] if len(sys.argv) > 1 else HUB_HEALTH

try:
    urllib.request.urlopen(HEALTH, timeout=8).close()  # noqa: S310 (our own server)
except (urllib.error.URLError, OSError) as error:
    sys.exit(f"{HEALTH} does not answer: {error}")
