"""Payloads to events: one file per sender."""
