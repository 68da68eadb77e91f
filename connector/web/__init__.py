"""HTTP in: webhooks, health, metrics, the API, the console. `wsgi` makes the application of a process."""
