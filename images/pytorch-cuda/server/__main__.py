"""``python3 -s /usr/local/lib/gpudock/server``: a user's server."""

from start import main

main()
