"""The commands, each in the file of its kind. What they print and how they fail is `show` and `face`."""

from __future__ import annotations

import click

from connector.commands import (
    backfilling,
    checking,
    deciding,
    forgetting,
    importing,
    looking,
    lots,
    mapping,
    reporting,
    running,
    suppressing,
)
from connector.commands.face import Face


@click.group(cls=Face, context_settings={"help_option_names": ["-h", "--help"]})
def connector() -> None:
    """Leads and tickets in, wolkvox rows and Tracksale surveys out: nothing lost, nobody contacted twice."""


for command in (
    running.demo,
    running.run,
    running.web,
    running.consume,
    running.work,
    running.poll,
    running.migrate,
    checking.check,
    mapping.map_,
    importing.import_,
    backfilling.backfill,
    looking.status,
    looking.deliveries,
    looking.explain,
    deciding.replay,
    deciding.resolve,
    deciding.pause,
    deciding.resume,
    deciding.redrive,
    lots.lots,
    reporting.campaigns,
    reporting.nps,
    suppressing.suppress,
    forgetting.purge,
    forgetting.erase,
    running.sandbox,
):
    connector.add_command(command)

__all__ = ["connector"]
