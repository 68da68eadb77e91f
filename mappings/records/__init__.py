"""Events to records: one file per vendor."""
