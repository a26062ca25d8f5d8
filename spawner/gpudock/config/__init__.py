"""Settings and their parsers, names, the volume that hub and desk share, commands in messages."""
