"""`connector sandbox`: the vendors, simulated."""

from __future__ import annotations

import signal

import click


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=9900, show_default=True, help="Where it listens.")
def sandbox(port: int) -> None:
    """The three vendors, simulated.

    Strict about every documented limit.

    \b
    connector sandbox --port 9900
    """
    from connector.vendors.sandbox.exchange import serve

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    serve(port)
