"""``[spool]``: where webhooks wait while the database is away."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from connector.config.faults import Faults
from connector.config.reading import read_shape
from connector.core.fields import Size, Strict, Text, choice
from connector.core.settings import Spool

MOST: Final = 16 * 1024**3


class SpoolShape(Strict):
    """The keys of the table."""

    kind = Text(load_default=None, validate=choice("queue", "file"))
    queue = Text(
        load_default="connector.spool",
        pattern=r"(?!amq\.)\S{1,200}",
        says='must be a queue\'s name without spaces (at most 200 letters, and not beginning with "amq.")',
    )
    path = Text(load_default="var/spool.db")
    max_size = Size(most=MOST, load_default=1024**3)


def read_spool(document: Mapping[str, Any], *, has_broker: bool, on_dyno: bool, faults: Faults) -> Spool | None:
    """None without the table. ``on_dyno``: its disk does not last."""
    table, sources = document.get("spool"), document.get("sources")
    if table is None:
        return None
    data = read_shape(SpoolShape(), table, ("spool",), faults)
    if faults.under("spool"):
        return None
    kind: Literal["queue", "file"] = data["kind"] or ("queue" if has_broker else "file")
    if kind == "queue" and not has_broker:
        faults.add(("spool", "kind"), 'needs a broker: set AMQP_URL, or write kind = "file"')
    if kind == "file" and on_dyno:
        faults.add(("spool", "kind"), "a dyno loses its disk every day, and what waits there with it: set AMQP_URL")
    queues = (
        {source.get("queue") for source in sources.values() if isinstance(source, dict)}
        if isinstance(sources, dict)
        else set()
    )
    if kind == "queue" and {data["queue"], f"{data['queue']}.dead"} & queues:
        faults.add(("spool", "queue"), "is a source's queue: give the spool one of its own")
    return Spool(kind=kind, queue=data["queue"], path=Path(data["path"]), max_bytes=data["max_size"])
