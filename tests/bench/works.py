"""The measured works, one function each. Every figure stands beside a floor or a rival measured in the same run."""

from __future__ import annotations

import importlib.util
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import requests

from mappings.base import Locale, Rendering
from mappings.records.wolkvox import Row as WolkvoxRow
from mappings.senders.lead import LeadMapping
from tests.bench import (
    beside,
    compiled,
    contacting,
    leads,
    load,
    many,
    paging,
    places,
    serving,
    slow_fsync,
    steps,
    storing,
)
from tests.bench.cold import cold
from tests.bench.cost import cost, cpu_s, database_s, named_s
from tests.bench.files import files
from tests.bench.greedy import greedy
from tests.bench.places import PYTHON, Broken, Running
from tests.bench.report import Report, Row, at_least, at_most, figure, limit
from tests.bench.senders import senders

KINDS = {"sqlite": "SQLite", "postgres": "Postgres"}
_MEMORY_MB = 150.0
_ARRAY = 10_000
_BODY = 1_000  #: leads of a request: a megabyte holds them
_WATCHED_S = 10.0  #: how long a worker with a full backlog is watched
_SLOW_VENDOR_S = 5.0  #: so that it leaves most of the backlog where it is


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is measured. The defaults are what `make bench` runs; `small` only shows that everything works."""

    seconds: float = 4.0  #: one load
    rounds: int = 3  #: floor, connector and rivals in turns; the medians are compared
    messages: int = 40_000
    leads: int = 100_000
    rows: int = 50_000  #: of a file
    backlog: int = 1_000_000
    listed: int = 5_000_000
    many: int = 10_000_000  #: deliveries of the work of this name
    kept: Path | None = None  #: where its SQLite files stay
    lone: int = 40
    steady_s: float = 20.0
    kinds: tuple[str, ...] = ("sqlite", "postgres")


SMALL = Size(
    seconds=1.5,
    rounds=1,
    messages=2_000,
    leads=20_000,
    rows=2_000,
    backlog=100_000,
    listed=100_000,
    many=100_000,
    lone=8,
    steady_s=5.0,
)


# --- ingest ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Speed:
    """Medians over the rounds."""

    rate: float
    p50_ms: float
    p99_ms: float


def loaded(url: str, *, connections: int, seconds: float, run: str, first: int = 0) -> load.Load:
    """A closed loop against `url`, warmed up for a second; `Broken` if anything but 2xx came back."""
    pool = int(12_000 * (seconds + 1))
    options: list[str | float] = [
        "--connections",
        connections,
        "--seconds",
        seconds + 1,
        "--warmup",
        1,
        "--requests",
        pool,
    ]
    seen = load.run(url, *options, "--run", run, "--first", first)
    if bad := {status: n for status, n in seen.statuses.items() if not status.startswith("2")}:
        raise Broken(f"{url} answered {bad} of {sum(seen.statuses.values())}")
    return seen


def speeds(contenders: dict[str, Callable[[int, str], load.Load]], connections: int, rounds: int) -> dict[str, Speed]:
    """Each contender in turn, `rounds` times, so that a slow minute of the machine hits all of them alike."""
    seen: dict[str, list[load.Load]] = {name: [] for name in contenders}
    for turn in range(rounds):
        for name, measure in contenders.items():
            seen[name].append(measure(connections, f"{connections}-{turn}"))
    return {name: _median(loads) for name, loads in seen.items()}


def _median(loads: Sequence[load.Load]) -> Speed:
    return Speed(*(statistics.median(getattr(one, part) for one in loads) for part in ("rate", "p50_ms", "p99_ms")))


def _contender(
    app: str, at: Path, seconds: float, *, threads: int = 16, env: Mapping[str, str] | None = None
) -> Callable[[int, str], load.Load]:
    def measure(connections: int, run: str) -> load.Load:
        with serving.served(app, at, threads=threads, env=env) as running:
            return loaded(running.url, connections=connections, seconds=seconds, run=run)

    return measure


def _ingesting(
    kind: str, at: Path, seconds: float, *, env: Mapping[str, str] | None = None
) -> Callable[[int, str], load.Load]:
    """`connector web`, freshly started on a fresh database each time."""

    def measure(connections: int, run: str) -> load.Load:
        with serving.connector(kind, at) as connector, connector.start("web", env=env):
            return loaded(connector.url, connections=connections, seconds=seconds, run=run)

    return measure


def ingest(report: Report, at: Path, size: Size) -> None:
    """POST → verified, mapped, routed, durable, beside gunicorn answering only and beside Flask + Celery."""
    contenders = {"floor": _contender("tests.bench.floor:app", at, size.seconds)}
    contenders |= {
        kind: _ingesting(kind, at, size.seconds) for kind in size.kinds if _there(report, "ingest", kind, at)
    }
    contenders |= _celery(report, at, size.seconds)
    for connections in (16, 64):
        _ingest_rows(report, speeds(contenders, connections, size.rounds), connections)


def _ingest_rows(report: Report, seen: dict[str, Speed], connections: int) -> None:
    floor = seen["floor"]
    for kind, of_floor, of_rival in (("sqlite", 0.5, 2.5), ("postgres", 0.4, 1.7)):
        if kind not in seen:
            continue
        work = f"ingest, {KINDS[kind]}, {connections} connections"
        mine = seen[kind]
        note = f"p50 {mine.p50_ms:.1f} ms, p99 {mine.p99_ms:.1f} ms"
        report.add(at_least(work, mine.rate, floor.rate, of_floor, unit="/s", of="floor", note=note))
        if "celery" in seen:
            note = "rival: Flask + Celery, publisher confirms"
            report.add(at_least(work, mine.rate, seen["celery"].rate, of_rival, unit="/s", of="rival", note=note))
        if connections == 64:
            report.add(at_most(f"{work}, p99", mine.p99_ms, floor.p99_ms, 2.5, unit="ms", of="floor"))


def _there(report: Report, work: str, kind: str, at: Path) -> bool:
    """Whether the database can be used at all; a skipped row when not."""
    try:
        with places.database(kind, at):
            return True
    except places.Unavailable as reason:
        report.skip(f"{work}, {KINDS[kind]}", str(reason))
        return False


def _celery(report: Report, at: Path, seconds: float) -> dict[str, Callable[[int, str], load.Load]]:
    if importlib.util.find_spec("celery") is None:
        report.skip("ingest, Flask + Celery", "celery is not installed: pip install 'connector[bench]'")
        return {}
    try:
        places.broker().close()
    except places.Unavailable as reason:
        report.skip("ingest, Flask + Celery", str(reason))
        return {}

    def measure(connections: int, run: str) -> load.Load:
        with places.queue() as queue:
            env = {"AMQP_URL": places.AMQP_URL, "RIVAL_QUEUE": queue}
            with serving.served("tests.bench.rival_celery:app", at, env=env) as server:
                return loaded(server.url, connections=connections, seconds=seconds, run=run)

    return {"celery": measure}


def naive(report: Report, at: Path, size: Size) -> None:
    """What an ordinary user would write, shown for scale: one call to the vendor for every webhook."""
    with places.vendor(at) as vendor:
        app = "tests.bench.rival_naive:app"
        with serving.served(app, at, env={"VENDOR_URL": vendor.url}) as server:
            options: list[str | float] = ["--connections", 2, "--seconds", size.seconds + 1, "--requests", 2000]
            seen = load.run(server.url, *options)
    note = "Flask + requests.post per event, at the vendor's two calls at once"
    report.add(Row(work="naive loop", measured=figure(seen.rate, "/s"), note=note))


def fsync(report: Report, at: Path, size: Size) -> None:
    """Ingest at 64 connections with 3 ms added to every fsync, beside one SQLite transaction for every request."""
    work = "ingest, SQLite, 3 ms more an fsync, 64 connections"
    try:
        slow = slow_fsync.environment(slow_fsync.build(at), delay_ms=3)
    except compiled.Unavailable as reason:
        report.skip(work, str(reason))
        return

    def commit_each(connections: int, run: str) -> load.Load:
        env = slow | {"RIVAL_DB": str(at / f"each-{run}.db")}
        app = "tests.bench.rival_commit_each:app"
        return _contender(app, at, size.seconds, threads=32, env=env)(connections, run)

    mine = _ingesting("sqlite", at, size.seconds, env=slow)
    seen = speeds({"mine": mine, "each": commit_each}, 64, size.rounds)
    note = f"p99 {seen['mine'].p99_ms:.0f} ms; a commit each {seen['each'].p99_ms:.0f} ms"
    report.add(at_least(work, seen["mine"].rate, seen["each"].rate, 5, unit="/s", of="rival", note=note))


# --- consume ---------------------------------------------------------------------------------------------------------


def consume(report: Report, at: Path, size: Size) -> None:
    """RabbitMQ → mapped, durable, acked, beside one POST a message and beside mapping alone."""
    try:
        places.broker().close()
    except places.Unavailable as reason:
        report.skip("consume", str(reason))
        return
    floor = _messages_a_second(size.messages, post="")
    with serving.connector("sqlite", at) as connector, connector.start("web"):
        rival = _messages_a_second(min(size.messages, 3_000), post=connector.url)
    kinds = [kind for kind in size.kinds if _there(report, "consume", kind, at)]
    mapping: list[Mapped] = []
    seen: dict[str, list[Consumed]] = {kind: [] for kind in kinds}
    for _ in range(size.rounds):  # in turns, so that a slow minute of the machine hits all of them alike
        for kind in kinds:
            mapping.append(mapping_alone(min(size.messages, 20_000)))
            seen[kind].append(_consumed(kind, at, size.messages))
    for kind in kinds:
        work = f"consume, {KINDS[kind]}"
        rate, memory = statistics.median(one.rate for one in seen[kind]), max(one.peak_mb for one in seen[kind])
        note = f"rival: one POST a message; no work at all {figure(floor, '/s')}"
        report.add(at_least(work, rate, rival, 5, unit="/s", of="rival", note=note))
        report.add(
            at_least(
                work,
                rate,
                statistics.median(one.rate for one in mapping),
                0.7,
                unit="/s",
                of="mapping alone",
                note="on one core",
            )
        )
        own, base, broker = (
            statistics.median(getattr(one, name) for one in seen[kind]) for name in ("own_us", "base_us", "broker_us")
        )
        alone = statistics.median(one.own_us for one in mapping)
        note = f"beside: database {base:.0f} µs, broker {broker:.0f} µs"
        report.add(
            at_most(f"{work}, processor time of an event", own, alone, 1.4, unit="µs", of="mapping alone", note=note)
        )
        report.add(limit(f"memory, {work}", memory, _MEMORY_MB, unit="MB"))


@dataclass(frozen=True)
class Mapped:
    """Leads a second, and µs of processor time for each."""

    rate: float
    own_us: float


@dataclass(frozen=True)
class Consumed(Mapped):
    """Messages; peak memory; µs of the database's and the broker's processes for each."""

    peak_mb: float
    base_us: float
    broker_us: float


def mapping_alone(count: int) -> Mapped:
    """On one core: bytes → event → record → bytes, nothing stored."""
    locale = Locale()
    payloads = LeadMapping(locale)
    opt = ("utm.source", "program")
    records = WolkvoxRow(Rendering(locale=locale, dial_prefix="9", opt=opt))
    bodies = [leads.body(n) for n in range(count)]
    begun, used = time.perf_counter(), time.process_time()
    for raw in bodies:
        orjson.dumps(records.render(payloads.read(orjson.loads(raw))).record)
    return Mapped(count / (time.perf_counter() - begun), (time.process_time() - used) / count * 1e6)


def _messages_a_second(count: int, *, post: str) -> float:
    """The rival that posts each message, or the floor that only acks."""
    with places.queue() as queue:
        connection = places.broker()
        connection.channel().queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        connection.close()
        places.publish(queue, 0, count)
        command = [PYTHON, "-m", "tests.bench.rival_post_each", queue, str(count), "--amqp", places.AMQP_URL]
        command += ["--post", post] if post else []
        done = subprocess.run(command, cwd=places.ROOT, capture_output=True, timeout=300, check=False)
        if done.returncode:
            raise Broken(f"rival_post_each: {done.stderr.decode(errors='replace').strip()[-400:]}")
        return count / float(orjson.loads(done.stdout)["seconds"])


def _consumed(kind: str, at: Path, count: int) -> Consumed:
    """The queue is filled first; every message must be stored, and acked in the end."""
    with places.queue() as queue, serving.connector(kind, at, queue=queue) as connector:
        with connector.start("consume") as idle:  # declares the queue as the connector wants it
            _until(lambda: _is_declared(queue), idle, "the consumer declares its queue")
        places.publish(queue, 0, count)
        with (
            steps.Counting(connector.environment["DATABASE_URL"], "events") as stored,
            connector.start("consume") as running,
        ):
            begun = _until(lambda: stored() > 0, running, "the first message is stored")
            first, before = stored(), _used_s(kind, connector, running)
            ended = _until(lambda: stored() >= count, running, f"all {count:,} messages are stored", every=0.03)
            rate = (count - first) / (ended - begun)
            own, base, amqp = (
                (now - then) / (count - first) * 1e6
                for now, then in zip(_used_s(kind, connector, running), before, strict=True)
            )
        broker = places.broker()
        left = places.waiting(broker.channel(), queue)
        broker.close()
        if left:
            raise Broken(f"{left} messages were stored and not acked")
        return Consumed(rate, own, max(running.peak_mb.values(), default=0.0), base, amqp)


def _used_s(kind: str, connector: serving.Connector, running: Running) -> tuple[float, float, float]:
    """Seconds of processor time so far: of our process, of the database's, of the broker's."""
    database = database_s(kind, connector.environment["DATABASE_URL"])
    return cpu_s(running.process.pid), database, named_s("beam.smp")


def _is_declared(queue: str) -> bool:
    broker = places.broker()
    try:
        places.waiting(broker.channel(), queue)
    except places.NotThere:
        return False
    finally:
        if broker.is_open:
            broker.close()
    return True


def _until(
    done: Callable[[], bool], running: Running, what: str, *, seconds: float = 120.0, every: float = 0.01
) -> float:
    """When it was done, CLOCK_MONOTONIC seconds. `Broken` if the process ends or the time does."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if done():
            return time.monotonic()
        running.check()
        time.sleep(every)
    raise Broken(f"not within {seconds:.0f} s: {what}. {running.name} says: {running.last_words()}")


# --- drain -----------------------------------------------------------------------------------------------------------


def drain(report: Report, at: Path, size: Size) -> None:
    """A backlog to a vendor that answers in 200 ms and takes two calls of 10,000 rows at once."""
    calls_in_a_row = -(-size.leads // 10_000 // 2) or 1
    cap = size.leads / (calls_in_a_row * 0.2)
    for kind, reach in (("sqlite", 0.5), ("postgres", 0.3)):
        if kind not in size.kinds or not _there(report, "drain", kind, at):
            continue
        with places.vendor(at) as vendor, serving.connector(kind, at, vendor_url=vendor.url) as connector:
            fill(connector, size.leads)
            with connector.start("work") as worker:
                _until(lambda: vendor.stats().rows >= size.leads, worker, "all leads at the vendor", every=0.2)
                stats = vendor.stats()
        calls = stats.calls
        rate = stats.rows / (max(end for _, end, _ in calls) - min(begin for begin, _, _ in calls))
        note = f"{len(calls)} calls, at most {stats.max_in_flight} at once, {stats.refused} refused"
        work = f"drain of {size.leads:,}, {KINDS[kind]}"
        row = at_least(work, rate, cap, reach, unit="rows/s", of="vendor's cap", note=note)
        report.add(row, limit(f"memory, {work}", max(worker.peak_mb.values(), default=0.0), _MEMORY_MB, unit="MB"))
        if stats.rows != size.leads:
            report.fail(work, f"{stats.rows:,} rows came, {size.leads:,} were stored")


def fill(connector: serving.Connector, count: int) -> None:
    """Puts `count` leads into the connector through its own webhook, as many in an array as a body may hold."""

    with connector.start("web"):
        for first in range(0, count, _BODY):
            raw = leads.array(first, min(_BODY, count - first))
            message_id, timestamp = f"fill-{first}", str(int(time.time()))
            signed = {
                "Content-Type": "application/json",
                "webhook-id": message_id,
                "webhook-timestamp": timestamp,
                "webhook-signature": leads.signature(message_id, timestamp, raw),
            }
            answer = requests.post(connector.url, data=raw, headers=signed, timeout=120)
            if answer.status_code != 202:
                raise Broken(f"an array of leads was answered {answer.status_code}: {answer.text[:200]}")


# --- lone and steady -------------------------------------------------------------------------------------------------


def lone(report: Report, at: Path, size: Size) -> None:
    """An idle system: from the 202 to the request at the vendor, in one process and in two, on both databases."""
    for kind in size.kinds:
        if not _there(report, "lone lead", kind, at):
            continue
        for parts in (("run",), ("web", "work")):
            work = f"lone lead, {KINDS[kind]}, {' + '.join(parts)}"
            options: list[str | float] = ["--rate", 2.5, "--seconds", size.lone / 2.5, "--connections", 1]
            sent, stats = _traced(kind, at, parts, options)
            arrivals = {leads.number_of(one): when for one, when in stats.arrivals.items()}
            waits = [(arrivals[n] - sent.answered[n]) * 1000 for n in sorted(arrivals)][2:]  # two to warm up
            whole = [(arrivals[n] - sent.sent[n]) * 1000 for n in sorted(arrivals)][2:]
            note = f"p99 {load.quantile(waits, 0.99):.1f} ms; from the POST {statistics.median(whole):.1f} ms"
            report.add(limit(work, statistics.median(waits), 25, unit="ms", note=note))


def steady(report: Report, at: Path, size: Size) -> None:
    """50 leads a second: arrival → accepted, beside the greedy two-slot schedule of the same arrivals."""
    for kind in size.kinds:
        if not _there(report, "steady", kind, at):
            continue
        options: list[str | float] = ["--rate", 50, "--poisson", "--seconds", size.steady_s, "--connections", 16]
        sent, stats = _traced(kind, at, ("run",), options)
        numbers = sorted(sent.sent, key=sent.sent.__getitem__)
        answers = {leads.number_of(one): when for one, when in stats.answers.items()}
        mine = [answers[n] - sent.sent[n] for n in numbers][50:]  # the first second warms up
        ideal = greedy([sent.sent[n] for n in numbers]).latencies_s[50:]
        work = f"steady 50 leads/s, {KINDS[kind]}"
        note = f"{len(stats.calls)} calls, at most {stats.max_in_flight} at once"
        for name, query, reach in (("median", 0.5, 1.1), ("p99", 0.99, 1.25)):
            pair = load.quantile(mine, query) * 1000, load.quantile(ideal, query) * 1000
            report.add(at_most(f"{work}, {name}", *pair, reach, unit="ms", of="greedy schedule", note=note))


def _traced(
    kind: str, at: Path, parts: Sequence[str], options: Sequence[str | float]
) -> tuple[load.Load, places.Stats]:
    """Runs the parts, sends leads as the options say, waits until all are accepted: what was sent, what came when."""
    with places.vendor(at, ids=True) as vendor, serving.connector(kind, at, vendor_url=vendor.url) as connector:
        with _all_started(connector, parts) as running:
            time.sleep(1.0)  # the worker has nothing that says it is ready
            sent = load.run(connector.url, *options, "--warmup", 0, "--trace", "--requests", 2_000)
            _until(lambda: len(vendor.stats().answers) >= len(sent.sent), running[-1], "all accepted", every=0.1)
        stats = vendor.stats()
    if stats.repeated:
        raise Broken(f"{stats.repeated} leads came to the vendor twice")
    return sent, stats


def _all_started(connector: serving.Connector, parts: Sequence[str]) -> steps.Together:
    return steps.Together([connector.start(part) for part in parts])


# --- backlog ---------------------------------------------------------------------------------------------------------


def backlog(report: Report, at: Path, size: Size) -> None:
    """A million waiting: does a worker stay small, and does a claim of 1,000 cost at the end what it cost at first?"""
    for kind, reach in (("sqlite", 1.2), ("postgres", 1.5)):
        if kind not in size.kinds or not _there(report, "backlog", kind, at):
            continue
        with (
            places.vendor(at, latency_s=_SLOW_VENDOR_S) as vendor,
            serving.connector(kind, at, vendor_url=vendor.url) as connector,
        ):
            fill(connector, min(_ARRAY, size.backlog))
            steps.multiply(connector.environment["DATABASE_URL"], size.backlog // _ARRAY)
            memory = _worker_memory(connector)
            times_ms = [seconds * 1000 for seconds in steps.claims_and_settles(connector.environment)]
        if len(times_ms) < 10:
            raise Broken(f"a backlog of {size.backlog:,} is too small: the worker drained it while it was watched")
        _backlog_rows(report, KINDS[kind], size.backlog, times_ms, reach, memory)


def _worker_memory(connector: serving.Connector) -> float:
    with connector.start("work") as worker:
        time.sleep(_WATCHED_S)
        worker.check()
    return max(worker.peak_mb.values(), default=0.0)


def _backlog_rows(report: Report, kind: str, rows: int, times_ms: list[float], reach: float, memory: float) -> None:
    part = max(5, len(times_ms) // 20)
    tenths = [statistics.median(some) for some in _parts(times_ms, 10)]
    note = "medians by tenths, ms: " + " ".join(f"{one:.1f}" for one in tenths)
    first, last = statistics.median(times_ms[:part]), statistics.median(times_ms[-part:])
    work = f"backlog of {rows:,}, {kind}"
    row = at_most(f"{work}: claim + settle 1,000, last twentieth", last, first, reach, unit="ms", of="floor")
    report.add(
        Row(
            work=row.work,
            measured=row.measured,
            floor=row.floor,
            ratio=row.ratio,
            reach=row.reach,
            ok=row.ok,
            note=note,
        )
    )
    report.add(limit(f"memory, worker, {rows:,} waiting, {kind}", memory, _MEMORY_MB, unit="MB"))


def _parts(values: list[float], count: int) -> Iterator[list[float]]:
    step = max(1, len(values) // count)
    for at in range(0, len(values), step):
        yield values[at : at + step]


# --- contacting people -----------------------------------------------------------------------------------------------


def contact(report: Report, at: Path, size: Size) -> None:
    """A million waiting under [contact], a full ledger and a long registry: what do the rules cost a claim?"""
    for kind in size.kinds:
        if _there(report, "contact", kind, at):
            contacting.measure(report, kind, KINDS[kind], at, size.backlog, size.listed)


#: What `python -m tests.bench NAME …` knows, in the order in which it runs.
def console(report: Report, at: Path, size: Size) -> None:
    """Pages over a full database, of which a tenth was refused."""
    for kind in size.kinds:
        if not _there(report, "console", kind, at):
            continue
        with serving.connector(kind, at) as connector:
            fill(connector, min(_ARRAY, size.backlog))
            steps.multiply(connector.environment["DATABASE_URL"], size.backlog // _ARRAY)
            paging.refuse_some(connector.environment["DATABASE_URL"])
            paging.pages(report, KINDS[kind], connector.environment, size.backlog)


def beside_leads(report: Report, at: Path, size: Size) -> None:
    """Leads with traces, and with viewers at the console."""
    for kind in size.kinds:
        if _there(report, "beside", kind, at):
            beside.beside(report, kind, KINDS[kind], at, size.seconds, size.rounds)


def turns(report: Report, at: Path, size: Size) -> None:
    """A lead of one source while another one's bodies keep the committer busy."""
    for kind in size.kinds:
        if _there(report, "turns", kind, at):
            storing.measure(report, kind, KINDS[kind], at, size.messages // 10, size.steady_s)


def very_many(report: Report, at: Path, size: Size) -> None:
    """What is read of ten million deliveries, of which a tenth waits."""
    for kind in size.kinds:
        if _there(report, "many", kind, at):
            many.measure(report, kind, KINDS[kind], at, size.many, fill, size.kept)


WORKS: dict[str, Callable[[Report, Path, Size], None]] = {
    "ingest": ingest,
    "senders": lambda report, _at, _size: senders(report),
    "files": lambda report, at, size: files(report, at, size.rows),
    "naive": naive,
    "fsync": fsync,
    "consume": consume,
    "turns": turns,
    "drain": drain,
    "lone": lone,
    "steady": steady,
    "backlog": backlog,
    "contact": contact,
    "console": console,
    "many": very_many,
    "beside": beside_leads,
    "cost": lambda report, _at, size: cost(report, size.kinds, size.seconds),
    "cold": lambda report, at, size: cold(report, at, size.kinds),
}
#: Works that run only when they are named: they need half an hour, and disk for ten million.
ON_DEMAND = frozenset({"many"})
