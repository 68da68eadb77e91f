"""The commands, one file each, named like the command. `output` prints, `app` holds the shared parts."""

from __future__ import annotations

from connector.cli.group import Entry

#: In the order in which `connector --help` lists them.
COMMANDS: dict[str, Entry] = {
    "demo": Entry("demo", "demo", "Shows everything at work."),
    "init": Entry("init", "init", "Makes a project folder of your own."),
    "run": Entry("run", "run", "All of it in one process."),
    "web": Entry("run", "web", "Takes webhooks and stores them."),
    "consume": Entry("run", "consume", "Takes from RabbitMQ and stores."),
    "work": Entry("run", "work", "Delivers what is stored."),
    "poll": Entry("run", "poll", "Reads what vendors do not send by themselves."),
    "console": Entry("console", "console", "Keys for the people who use the console."),
    "migrate": Entry("migrate", "migrate", "Creates or upgrades the database."),
    "check": Entry("check", "check", "Checks settings, database, broker, tokens."),
    "map": Entry("map", "map_", "Shows what a payload would become."),
    "new": Entry("new", "new", "Makes a sender's mapping from a payload."),
    "cases": Entry("cases", "cases", "Keeps stored payloads as tests."),
    "secrets": Entry("secrets", "secrets", "Makes good secrets, and keeps none of them."),
    "send": Entry("send", "send", "Sends a payload as its sender would, signed."),
    "import": Entry("import_", "import_", "Stores a file of leads or tickets."),
    "imports": Entry("imports", "imports", "Lists imported files and their rows' fate."),
    "backfill": Entry("backfill", "backfill", "Reads the past of a polled source."),
    "status": Entry("status", "status", "Accounts, quota, backlog, speed to lead."),
    "alarms": Entry("alarms", "alarms", "Lists alarms; tests who is told."),
    "pace": Entry("pace", "pace", "Shows how soon leads are delivered, by hour."),
    "events": Entry("events", "events", "Lists events, the latest first."),
    "deliveries": Entry("deliveries", "deliveries", "Lists deliveries, the latest first."),
    "explain": Entry("explain", "explain", "Tells the whole story of one event."),
    "replay": Entry("replay", "replay", "Maps again what was stored, and sends it."),
    "resolve": Entry("resolve", "resolve", "Settles uncertain deliveries as you say."),
    "pause": Entry("accounts", "pause", "Holds every call of an account."),
    "resume": Entry("accounts", "resume", "Goes on after a pause or a block."),
    "redrive": Entry("redrive", "redrive", "Puts dead-lettered messages back."),
    "lots": Entry("lots", "lots", "Lists draft lots; fires or discards one."),
    "campaigns": Entry("campaigns", "campaigns", "Shows wolkvox's campaigns in real time."),
    "nps": Entry("nps", "nps", "Shows Tracksale's figures."),
    "may": Entry("may", "may", "Tells whether a person may be contacted."),
    "person": Entry("person", "person", "Shows all that is kept of a person."),
    "suppress": Entry("suppress", "suppress", "Keeps the do-not-contact list."),
    "rekey": Entry("rekey", "rekey", "Locks what is kept with the newest key."),
    "purge": Entry("privacy", "purge", "Forgets what is old."),
    "erase": Entry("privacy", "erase", "Forgets one person."),
    "sandbox": Entry("sandbox", "sandbox", "The three vendors, simulated."),
}
