"""`connector init`: a project folder of one's own, outside the product's tree."""

from __future__ import annotations

import base64
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from zoneinfo import available_timezones

import click
import phonenumbers

import mappings
from connector.cli import output
from connector.cli.group import fail
from connector.config import loader
from connector.core.phrases import joined, phrase
from connector.core.text import did_you_mean
from connector.languages.catalogue import LANGUAGES, of_environment
from connector.vendors import destinations

HERE: Final = "http://127.0.0.1:8000"
SANDBOX: Final = "http://127.0.0.1:9900"

#: vendor -> account table and route
VENDORS: Final = {
    "wolkvox": """
[accounts.dialler]
vendor = "wolkvox"
base_url = "{sandbox}"   # the sandbox; live: take this line out
server = "0011"                      # the four digits of https://wv0011.wolkvox.com
token = "${{WOLKVOX_TOKEN}}"
licences = 10                        # the daily budget is licences × 1,000 calls
""",
    "tracksale": """
[accounts.surveys]
vendor = "tracksale"
base_url = "{sandbox}"   # the sandbox; live: take this line out
token = "${{TRACKSALE_TOKEN}}"
""",
    "postcenter": """
[accounts.helpdesk]
vendor = "postcenter"
base_url = "{sandbox}"   # the sandbox; live: take this line out
token = "${{POSTCENTER_TOKEN}}"
""",
}
ROUTES: Final = {
    "wolkvox": """
[[routes]]
name = "dial new leads"
on = "lead.created"
to = "wolkvox.add_record"
account = "dialler"
campaign_id = "1042"
expires_after = "24h"
once_per = { key = "phone", within = "24h" }
""",
    "tracksale": """
[[routes]]
name = "survey closed tickets"
on = "ticket.closed"
to = "tracksale.dispatch"
account = "surveys"
channel = "email"                    # or "sms", "whatsapp", "voice"
purpose = "survey"
campaign_code = "52"
""",
}
#: mapping -> the source's name, where it is not the mapping's
NAMES: Final = {"lead": "landing", "ticket": "tickets"}
#: Senders that need nothing but a secret.
SENDERS: Final = tuple(
    name
    for name, one in mappings.PAYLOADS.items()
    if not one.fetches and not one.polled_by and not one.needs_fields and not one.sender.handshake
)
TIMEZONES: Final = {
    "AR": "America/Argentina/Buenos_Aires",
    "BR": "America/Sao_Paulo",
    "CL": "America/Santiago",
    "CO": "America/Bogota",
    "EC": "America/Guayaquil",
    "ES": "Europe/Madrid",
    "MX": "America/Mexico_City",
    "PE": "America/Lima",
    "PT": "Europe/Lisbon",
}

GITIGNORE: Final = ".env\nvar/\n"
PROCFILE: Final = """release: connector migrate
web: connector web
worker: connector work
consumer: connector consume
poller: connector poll
"""
APP_JSON: Final = """{
  "name": "connector",
  "formation": {"web": {"quantity": 1}, "worker": {"quantity": 1}},
  "addons": ["heroku-postgresql"],
  "env": {
    "CONNECTOR_SECRET_KEY": {"generator": "secret"},
    "CONNECTOR_ADMIN_TOKEN": {"generator": "secret"},
    "CONNECTOR_METRICS_TOKEN": {"generator": "secret"}
  }
}
"""


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--language", type=click.Choice([*LANGUAGES]), default=None, help="Of what people read; LANG's.")
@click.option("--country", metavar="CC", default="CO", show_default=True, help="Of phones without a country code.")
@click.option("--timezone", metavar="ZONE", default="", help="Of times without an offset; the country's if left out.")
@click.option("--vendor", "vendors", multiple=True, type=click.Choice([*VENDORS]), help="May be given again.")
@click.option("--sender", "senders", multiple=True, type=click.Choice(SENDERS), help="May be given again.")
@click.option("--yes", is_flag=True, help="Ask nothing: take the options and the defaults.")
def init(
    folder: Path,
    language: str | None,
    country: str,
    timezone: str,
    vendors: Sequence[str],
    senders: Sequence[str],
    yes: bool,
) -> None:
    """Makes a project folder of your own.

    With a configuration that points at the sandbox, an .env with fresh secrets, Procfile, app.json and .gitignore. What
    is there already is left alone. Without --yes it asks for what no option said.

    \b
    connector init my-connector --yes
    connector init my-connector --language pt --country BR --vendor wolkvox --sender lead
    """
    if not yes and sys.stdin.isatty():
        languages = click.Choice([*LANGUAGES])
        language = language or click.prompt("language · idioma", type=languages, default=of_environment(os.environ))
        country = click.prompt(output.say(phrase("country, as two letters")), default=country)
        timezone = click.prompt(output.say(phrase("time zone")), default=timezone or _timezone(country))
        vendors = vendors or _several("vendors", [*VENDORS], ["wolkvox", "tracksale"])
        senders = senders or _several("senders", list(SENDERS), ["lead", "ticket"])
    if language:
        output.speak(language)
    country, timezone = country.upper(), timezone or _timezone(country.upper())
    _demand(country, timezone)
    vendors, senders = vendors or ("wolkvox", "tracksale"), senders or ("lead", "ticket")
    if (folder / "config" / "connector.toml").exists():
        fail(
            phrase(
                "{folder} has a configuration already: choose another folder, or edit config/connector.toml",
                folder=folder,
            )
        )
    environ = _environ(vendors, senders) | {"CONNECTOR_LANG": language or of_environment(os.environ)}
    text = _configuration(country, timezone, vendors, senders)
    _write(folder, text, environ)
    loader.load(environ, config_path=str(folder / "config" / "connector.toml"), destinations=destinations.SPECS)
    _print(folder, senders)


def _timezone(country: str) -> str:
    return TIMEZONES.get(country, "UTC")


def _several(what: str, known: list[str], default: list[str]) -> list[str]:
    answer: str = click.prompt(f"{what} ({', '.join(known)})", default=" ".join(default))
    chosen = answer.replace(",", " ").split()
    for one in chosen:
        if one not in known:
            raise click.UsageError(
                phrase("{one} is none of {names}{hint}", one=one, names=", ".join(known), hint=did_you_mean(one, known))
            )
    return chosen


def _demand(country: str, timezone: str) -> None:
    if country not in phonenumbers.SUPPORTED_REGIONS:
        raise click.UsageError(phrase('{country} is no country: write its two letters, like "CO"', country=country))
    if timezone not in available_timezones():
        hint = did_you_mean(timezone, available_timezones()) or phrase(', write one like "America/Bogota"')
        raise click.UsageError(phrase("{timezone} is no time zone{hint}", timezone=timezone, hint=hint))


def _secret_name(sender: str) -> str:
    return f"{NAMES.get(sender, sender).upper()}_SECRET"


def _scheme(sender: str) -> str:
    if sender in mappings.PROOFS:
        return sender
    return "standard-webhooks" if sender == "lead" else "token"


def _environ(vendors: Sequence[str], senders: Sequence[str]) -> dict[str, str]:
    """Fresh secrets of ours and of the senders; the vendors' tokens are what the sandbox takes."""
    made = {
        "CONNECTOR_SECRET_KEY": secrets.token_hex(32),
        "CONNECTOR_ADMIN_TOKEN": secrets.token_hex(24),
        "CONNECTOR_METRICS_TOKEN": secrets.token_hex(24),
        "DATABASE_URL": "sqlite:///var/connector.db",
    }
    made |= {f"{vendor.upper()}_TOKEN": f"sandbox-{vendor}" for vendor in vendors}
    for sender in senders:
        key = base64.b64encode(secrets.token_bytes(24)).decode()
        plain = secrets.token_hex(24)
        basic = mappings.PROOFS.get(sender, {}).get("scheme") == "basic"
        standard = _scheme(sender) == "standard-webhooks"
        made[_secret_name(sender)] = f"whsec_{key}" if standard else f"connector:{plain}" if basic else plain
    return made


def _configuration(country: str, timezone: str, vendors: Sequence[str], senders: Sequence[str]) -> str:
    parts = [
        "# What the connector takes in, and where it sends it. `connector check` names every fault at once.",
        "# ${NAME} is a variable of .env beside this folder: secrets belong there, never here.",
        "",
        f'timezone = "{timezone}"',
        f'region = "{country}"',
        "",
        "[retention]",
        'purge_after = "90d"',
        "",
        "# As it stands, people are contacted at any hour, so that the sample leaves now. Take the # away before",
        "# people are called; then `connector may PHONE --route ROUTE` tells what the law of their country allows.",
        "# [contact]",
        "# law = true",
    ]
    text = "\n".join(parts) + "\n"
    text += "".join(VENDORS[vendor].format(sandbox=SANDBOX) for vendor in vendors)
    for sender in senders:
        scheme = _scheme(sender)
        header = ', header = "X-Token"' if scheme == "token" else ""
        text += f'\n[sources.{NAMES.get(sender, sender)}]\nmapping = "{sender}"\n'
        text += f'verify = {{ scheme = "{scheme}"{header}, secrets = ["${{{_secret_name(sender)}}}"] }}\n'
    types = {kind for sender in senders for kind in mappings.EVENT_TYPES[sender]}
    wanted = {"wolkvox": "lead.created", "tracksale": "ticket.closed"}
    return text + "".join(ROUTES[one] for one in vendors if one in ROUTES and wanted[one] in types)


def _write(folder: Path, configuration: str, environ: dict[str, str]) -> None:
    (folder / "config").mkdir(parents=True, exist_ok=True)
    (folder / "var").mkdir(exist_ok=True, mode=0o700)
    (folder / "config" / "connector.toml").write_text(configuration, encoding="utf-8")
    for name, text in ((".gitignore", GITIGNORE), ("Procfile", PROCFILE), ("app.json", APP_JSON)):
        if not (folder / name).exists():
            (folder / name).write_text(text, encoding="utf-8")
    lines = "".join(f"{name}={value}\n" for name, value in environ.items())
    with os.fdopen(os.open(folder / ".env", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
        file.write(lines)


def _print(folder: Path, senders: Sequence[str]) -> None:
    output.line(
        phrase(
            "{folder}: config/connector.toml, .env (only you can read it), Procfile, app.json, .gitignore",
            folder=folder,
        )
    )
    for sender in senders:
        output.line(
            phrase("webhooks of {sender}: {url}", sender=sender, url=f"{HERE}/webhooks/{NAMES.get(sender, sender)}")
        )
    first = next((one for one in senders if one in NAMES), senders[0])
    what = "--sample" if first in NAMES else "FILE"
    output.line(phrase("now:"))
    output.line(f"  cd {folder}")
    output.line(joined(["  connector sandbox --port 9900 &    # ", phrase("the vendors, simulated")]))
    output.line("  connector run &")
    output.line(f"  connector send {NAMES.get(first, first)} {what}")
    output.line(phrase("a sender that is not among them, from what it sends: connector new sender NAME FILE"))
