"""The three vendors simulated: strict about every documented limit, with faults on request. See `exchange.Sandbox`."""
