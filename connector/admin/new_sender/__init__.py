"""`connector new sender`: writes a mapping from a captured payload, with its configuration and its tests."""
