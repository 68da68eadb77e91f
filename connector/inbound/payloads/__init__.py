"""A request's or message's body to payloads."""
