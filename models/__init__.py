"""Wing 2: networks and losses, torch only. The menu."""

ARCHITECTURES: dict = {}
LOSSES: dict = {}
