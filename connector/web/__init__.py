"""HTTP in: webhooks, health, metrics, the read-only API, the console. `wsgi` makes the application of a process."""
