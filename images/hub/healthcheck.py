"""Succeeds while the hub answers and reaches its database."""

import sys
import urllib.error
import urllib.request

HEALTH = "http://127.0.0.1:8081/hub/health"

try:
    urllib.request.urlopen(HEALTH, timeout=8).close()
except (urllib.error.URLError, OSError) as error:
    sys.exit(f"the hub does not answer: {error}")
