"""The other way to consume: take one message, POST it to the webhook, ack it, take the next. Or only take and ack.

A process of its own: ``python -m tests.bench.rival_post_each QUEUE COUNT [--post URL]`` prints {"seconds", "count"}.
"""

from __future__ import annotations

import argparse
import sys
import time

import orjson
import pika
import requests
from pika.adapters.blocking_connection import BlockingChannel

from tests.bench import leads

_PREFETCH = 500


def post_each(channel: BlockingChannel, queue: str, count: int, url: str) -> float:
    """Seconds for `count` messages, each signed and posted on one keep-alive connection, then acked."""
    session = requests.Session()
    begun = time.monotonic()
    for done, (method, properties, body) in enumerate(channel.consume(queue), 1):
        timestamp = str(int(time.time()))
        message_id = properties.message_id
        signed = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": leads.signature(message_id, timestamp, body),
        }
        session.post(url, data=body, headers=signed, timeout=30).raise_for_status()
        channel.basic_ack(method.delivery_tag)
        if done >= count:
            break
    return time.monotonic() - begun


def ack_only(channel: BlockingChannel, queue: str, count: int) -> float:
    """Seconds for `count` messages when nothing is done with them: the floor. Acked a hundred at a time."""
    begun = time.monotonic()
    for done, (method, _, _) in enumerate(channel.consume(queue), 1):
        if done % 100 == 0 or done >= count:
            channel.basic_ack(method.delivery_tag, multiple=True)
        if done >= count:
            break
    return time.monotonic() - begun


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.rival_post_each", description=__doc__)
    parser.add_argument("queue")
    parser.add_argument("count", type=int)
    parser.add_argument("--amqp", default="amqp://guest:guest@127.0.0.1:5672/%2F")
    parser.add_argument("--post", default="", help="the webhook's URL; without it messages are only acked")
    args = parser.parse_args()
    connection = pika.BlockingConnection(pika.URLParameters(args.amqp))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=_PREFETCH)
    if args.post:
        seconds = post_each(channel, args.queue, args.count, args.post)
    else:
        seconds = ack_only(channel, args.queue, args.count)
    channel.cancel()
    connection.close()
    sys.stdout.buffer.write(orjson.dumps({"seconds": seconds, "count": args.count}))


if __name__ == "__main__":
    main()
