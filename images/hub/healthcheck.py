"""Check whether the hub, or the desk whose URL is given, answers and reaches what it needs.

The hub answers as soon as its web server runs. Whether it can start servers, it says in a note.
"""

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

HUB_HEALTH = f"http://127.0.0.1:8081{os.environ.get('GPUDOCK_BASE_URL') or '/'}hub/health"
HEALTH = sys.argv[1] if len(sys.argv) > 1 else HUB_HEALTH
HUB_PROBLEM = Path("/srv/gpudock/shared/hub-problem")

# What asks within a container needs no proxy, whatever Docker's own configuration has set.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    opener.open(HEALTH, timeout=8).close()
except (urllib.error.URLError, OSError) as error:
    sys.exit(f"{HEALTH} does not answer: {error}")
if HEALTH == HUB_HEALTH and HUB_PROBLEM.exists():
    sys.exit(HUB_PROBLEM.read_text(errors="replace"))
