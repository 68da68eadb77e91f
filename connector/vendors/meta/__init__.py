"""Meta, lead forms: read for the rest of thin events."""
