"""Queues of RabbitMQ into the inbox. The only place that knows pika."""
