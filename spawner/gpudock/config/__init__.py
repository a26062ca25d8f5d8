"""Settings and their parsers, container names, and the volume that hub and desk share."""
