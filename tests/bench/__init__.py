"""How fast the connector is, beside a floor and rivals measured in the same run: ``python -m tests.bench [names]``."""
