"""`connector demo`: sandbox, web and worker in one process, realistic senders, and a report of the results."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from connector.admin import accounts, suppression
from connector.admin.acts import By
from connector.cli import output
from connector.cli.demo_config import CALL_BACK, CAMPAIGN, CONSOLE_KEY, FORM_TOKEN, NOTED, SURVEY
from connector.cli.demo_stage import (
    BAD,
    BAD_ID,
    PEOPLE,
    SenderAnswer,
    Stage,
    dead_letters,
    is_over,
    lead,
    notify,
    now,
    open_stage,
    post,
    states,
    ticket,
    until,
)
from connector.cli.shutdown import Ending
from connector.core import log
from connector.core.states import DeliveryState


def play(*, keep: bool = False, full: bool = False) -> bool:
    """Runs the demo; True if everything is as it must be. ``keep`` leaves it running until a signal comes.

    ``full`` adds the full circle: a closed ticket, its survey, a low score, the call back, a note.
    """
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"  # nothing here leaves this machine
    log.configure("CRITICAL")
    started_s = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="connector-demo-") as folder,
        open_stage(Path(folder), full=full, keep=keep) as stage,
    ):
        _title("Leads")
        _leads(stage)
        _title("A batch with one bad row")
        _batch(stage)
        _title("Tickets")
        _tickets(stage)
        if full:
            _title("The whole circle")
            _circle(stage)
        _title("What reached the vendors")
        _vendors(stage)
        _title("Is everything as it must be?")
        good = _verdict(stage)
        output.line(
            f"{'All as it must be' if good else 'Something is wrong'}, in {time.monotonic() - started_s:.1f} s."
        )
        if keep:
            _decide(stage)
            _keep(stage)
        else:
            output.line("To see all of it in a browser: connector demo --keep", "dim")
            output.line("To make a project of your own: . .venv/bin/activate, then connector init mine", "dim")
    return good


def _title(text: str) -> None:
    output.line()
    output.line(f"── {text} " + "─" * (70 - len(text)), "bold cyan")


# --- the scenes -----------------------------------------------------------------------------------------------------


def _leads(stage: Stage) -> None:
    first = lead(1, PEOPLE[0])
    accepted = post(stage, "landing", first)
    until(lambda: stage.sandbox.wolkvox.count(CAMPAIGN) == 1)
    lone = post(stage, "landing", lead(2, PEOPLE[1], phones=["+55 11 91234-5678", "3000000002"]))
    until(lambda: stage.sandbox.wolkvox.count(CAMPAIGN) == 2)
    again = post(stage, "landing", first)
    twice = post(stage, "landing", lead(1, PEOPLE[0]) | {"id": "L-1b"}, message_id="L-1b")
    invalid = post(stage, "landing", lead(3, PEOPLE[2], phones=["300 12"], email="not an address"))
    forged = post(stage, "landing", lead(4, PEOPLE[3]), secret="whsec_c29tZWJvZHkgZWxzZQ==")
    until(lambda: is_over(stage))
    rows = [
        ("a signed lead", accepted),
        ("another, on an idle system", lone),
        ("the first one again: a copy", again),
        ("the same person, sent again", twice),
        ("a lead nobody can reach", invalid),
        ("a forged signature", forged),
    ]
    output.table(
        ("what was sent", "HTTP", "the answer"), [(what, answer.status, _answer_text(answer)) for what, answer in rows]
    )
    arrived_s = stage.sandbox.wolkvox.rows(CAMPAIGN)[1]["arrived_s"]
    lone_s = arrived_s - lone.sent_s
    output.line(
        f"The lone lead was at the vendor {output.duration(max(0.0, lone_s))} after its sender had begun to send it."
    )
    rows_now = stage.sandbox.wolkvox.count(CAMPAIGN)
    stage.must("both leads are at wolkvox, once each", rows_now == 2 and not stage.sandbox.wolkvox.duplicates(CAMPAIGN))
    stage.must("the copy was answered 200 and changed nothing", _is(again, 200, "duplicate") and rows_now == 2)
    stage.must(
        "the person sent again is not dialled twice",
        states(stage).get("L-1b dial new leads") == DeliveryState.SUPPRESSED,
    )
    faults = invalid.body.get("errors", [])
    stage.must("the invalid lead was refused with its field errors", invalid.status == 422 and len(faults) >= 2)
    stage.must("the forged one was refused", forged.status == 401)


def _is(answer: SenderAnswer, status: int, word: str) -> bool:
    return answer.status == status and answer.body.get("status") == word


def _answer_text(answer: SenderAnswer) -> str:
    if "errors" in answer.body:
        return "; ".join(f"{one['field']}: {one['message']}" for one in answer.body["errors"])
    return str(answer.body.get("detail") or output.compact(answer.body))


def _batch(stage: Stage) -> None:
    batch = [lead(20 + at, who, identity=f"10000002{at:02}", extra=_extra(at)) for at, who in enumerate(PEOPLE)]
    before = len(stage.sandbox.calls)
    answer = post(stage, "landing", batch, message_id="batch-1")
    until(lambda: is_over(stage))
    output.line(f"{len(batch)} leads in one array: HTTP {answer.status}, {answer.body.get('accepted')} accepted.")
    output.line(f"wolkvox takes all of a call or nothing, and refuses the row of {' '.join(PEOPLE[BAD][:2])}:")
    calls = [call for call in stage.sandbox.calls[before:] if call.operation == "wolkvox.add_record"]
    output.table(
        ("rows in the call", "HTTP", "what it meant"),
        [(c.rows, c.status, _call_meaning(c.rows, c.status)) for c in calls],
    )
    dead = dead_letters(stage)
    rows = [(one["delivery"], " ".join(PEOPLE[BAD][:2]), one["reason"]) for one in dead]
    output.table(("dead letter", "who", "the vendor's words"), rows)
    names = {row["customer_id"] for row in stage.sandbox.wolkvox.rows(CAMPAIGN)}
    expected = {f"10000002{at:02}" for at in range(len(PEOPLE)) if at != BAD}
    stage.must("the other 15 of the batch are at wolkvox", expected <= names and BAD_ID not in names)
    stage.must(
        "the bad one is the only dead letter, with the vendor's words", len(dead) == 1 and "400" in dead[0]["reason"]
    )


def _extra(at: int) -> dict[str, Any]:
    return {
        "utm": {"source": ("google", "facebook", "radio")[at % 3]},
        "program": ("MBA", "Derecho", "Enfermería")[at % 3],
    }


def _call_meaning(rows: int, status: int) -> str:
    if status < 300:
        return "accepted"
    return "refused: halved" if rows > 1 else "refused: this is the bad one"


def _tickets(stage: Stage) -> None:
    comment = "Llamó otra vez: quedó muy satisfecha con la atención."
    sent = [
        ("a closed ticket", post(stage, "tickets", ticket(1, "ticket.closed", PEOPLE[4]))),
        ("a closed ticket", post(stage, "tickets", ticket(2, "ticket.closed", PEOPLE[5], channel="whatsapp"))),
        (
            "news of an answered survey",
            post(stage, "tickets", ticket(3, "ticket.updated", PEOPLE[6], answer_id=6805511, comment=comment)),
        ),
    ]
    until(lambda: is_over(stage))
    output.table(
        ("what was sent", "HTTP", "the answer"), [(what, answer.status, _answer_text(answer)) for what, answer in sent]
    )
    stage.must("two surveys are on their way", len(stage.sandbox.tracksale.customers(SURVEY)) == 2)
    tags = stage.sandbox.tracksale.tags.get(6805511, {})
    stage.must("the answer's empty tags are filled", tags == {"Canal": "email", "Ejecutivo": "Thaís Gutiérrez"})
    stage.must("the note is there, once", [n["comment"] for n in stage.sandbox.tracksale.notes] == [comment])


def _circle(stage: Stage) -> None:
    """A ticket is closed, its customer surveyed and unhappy: wolkvox calls back, and a note is put on the answer."""
    address = "begona.nino@example.com"
    number = stage.sandbox.postcenter.add_ticket(
        900, "email", is_closed=True, account=address, updated_time=now().removesuffix("+00:00")
    )
    status = notify(stage, {"event": "ticket_closed", "ticket": {"id": number}})
    surveyed = until(lambda: address in {one["email"] for one in stage.sandbox.tracksale.customers(SURVEY)})
    answer = stage.sandbox.tracksale.add_answer(
        campaign_code=int(SURVEY),
        nps_answer=2,
        nps_comment="Esperé demasiado.",
        name="Begoña Niño",
        email=address,
        phone="573000000900",
    )
    called = until(lambda: stage.sandbox.wolkvox.count(CALL_BACK) == 1)
    noted = until(lambda: [one["comment"] for one in stage.sandbox.tracksale.notes][-1:] == [NOTED])
    time.sleep(1.5)  # a second poll, which must change nothing
    until(lambda: is_over(stage))
    rows = stage.sandbox.wolkvox.rows(CALL_BACK)
    row = rows[0] if rows else {}
    output.table(
        ("what happened", "as it was seen"),
        [
            ("PostCenter notifies of a closed ticket", f"HTTP {status}; the ticket and its messages are read"),
            ("Tracksale surveys the customer", f"campaign {SURVEY}, {address}"),
            ("the customer answers", "score 2, “Esperé demasiado.”; the answers are asked for every second"),
            ("wolkvox gets a row", f"campaign {CALL_BACK}: {row.get('tel1', '')}, opt1 {row.get('opt1', '')}"),
            ("the answer gets a note", NOTED),
        ],
    )
    notes = [one for one in stage.sandbox.tracksale.notes if one["comment"] == NOTED]
    stage.must("the closed ticket's customer was surveyed", surveyed)
    stage.must("the unhappy customer is called back, once", called and len(rows) == 1)
    stage.must("the note is on their answer, once", noted and [one["answer_id"] for one in notes] == [answer])


def _vendors(stage: Stage) -> None:
    rows = stage.sandbox.wolkvox.rows(CAMPAIGN)
    fields = ("customer_id", "city", "tel1", "opt1", "opt2", "opt12")
    shown = [(f"{row['customer_name']} {row['customer_last_name']}", *(row[name] for name in fields)) for row in rows]
    output.table(("customer", *fields), shown, title=f"wolkvox, campaign {CAMPAIGN}")
    customers = stage.sandbox.tracksale.customers(SURVEY)
    output.table(
        ("name", "e-mail", "phone", "tags", "status"),
        [(c["name"], c["email"], c["phone"], _tags(c["tags"]), c["status"]) for c in customers],
        title=f"Tracksale, survey {SURVEY}",
    )
    tracksale = stage.sandbox.tracksale
    tags = [(number, "tags", ", ".join(f"{k}={v}" for k, v in some.items())) for number, some in tracksale.tags.items()]
    notes = [(note["answer_id"], "note", note["comment"]) for note in tracksale.notes]
    output.table(("answer", "what", "content"), tags + notes, title="Tracksale, answers")


def _tags(tags: Sequence[Mapping[str, str]]) -> str:
    return ", ".join(f"{tag['name']}={tag['value']}" for tag in tags)


def _verdict(stage: Stage) -> bool:
    sandbox = stage.sandbox
    rules = sorted({f"{breach.rule} ({breach.operation})" for breach in sandbox.breaches})
    stage.must("no limit or type of a vendor was breached" + (f": {', '.join(rules)}" if rules else ""), not rules)
    most = max(sandbox.max_in_flight.get("demo-wolkvox", 0), 0)
    stage.must(f"never more than two calls at once at wolkvox (it saw {most})", most <= 2)
    stage.must("nothing is left on its way", is_over(stage))
    for what, so in stage.checks:
        output.line(f"{'✓' if so else '✗'} {what}", "green" if so else "bold red")
    return all(so for _, so in stage.checks)


# --- leaving it running ---------------------------------------------------------------------------------------------


def _decide(stage: Stage) -> None:
    """A few decisions, and a lot that waits for one, so that every page of the console has something to show."""
    for number, person in enumerate(PEOPLE[7:10], 7):
        post(stage, "tickets", ticket(number, "ticket.created", person))
    until(lambda: is_over(stage))
    database, settings = stage.together.database, stage.settings
    accounts.pause(database, settings, "surveys", By("demo", "the supervisor reads the questions again"))
    accounts.resume(database, settings, "surveys", By("demo", "they are right"))
    suppression.add(database, settings, "300 000 0099", By("demo", "asked not to be called"))


def _keep(stage: Stage) -> None:
    stage.ending = Ending()
    example = '{"type":"lead.created","data":{"first_name":"Iván","phones":["300 555 0101"]}}'
    json_body = f"-H 'Content-Type: application/json' -d '{example}'"
    output.line()
    output.line("It goes on until Ctrl-C. Try, from another terminal:", "bold")
    for text in (
        f"export CONNECTOR_CONFIG={stage.folder}/connector.toml CONNECTOR_SECRET_KEY=demo",
        f"export DATABASE_URL={stage.settings.database_url}",
        f"curl {stage.together.url}/webhooks/form -H 'X-Token: {FORM_TOKEN}' {json_body}",
        "connector status",
        "connector deliveries",
        "connector explain L-1",
        f"connector explain {dead_letters(stage)[0]['delivery']}"
        if dead_letters(stage)
        else "connector deliveries --state dead",
        "connector pause dialler",
        "connector resume dialler",
        f"curl {stage.sandbox.url}/_sandbox/state",
        f"curl {stage.together.url}/readyz",
    ):
        output.line(f"  {text}")
    output.line()
    output.line(f"The console: {stage.together.url}/console (key: {CONSOLE_KEY})", "bold")
    stage.ending.wait()


@click.command()
@click.option("--keep", is_flag=True, help="Leave it running, to try things out.")
@click.option("--full", is_flag=True, help="The whole circle too: ticket, survey, low answer, call back, note.")
def demo(keep: bool, full: bool) -> None:
    """Shows everything at work.

    On a throw-away database and simulated vendors.

    \b
    connector demo
    connector demo --keep
    """
    sys.exit(0 if play(keep=keep, full=full) else 1)
