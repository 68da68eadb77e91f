"""From bytes to stored events: payloads, signatures, router, group commit, RabbitMQ, files."""
