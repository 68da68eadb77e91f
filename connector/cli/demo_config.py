"""The demo's configuration, its secrets and campaigns. All of it is invented."""

from __future__ import annotations

from typing import Final

CAMPAIGN: Final = "1042"
SURVEY: Final = "52"
SECRET: Final = "whsec_b25seSBmb3IgdGhlIGRlbW8sIG5ldmVyIGxpdmU="
TICKETS_TOKEN: Final = "demo-tickets"
FORM_TOKEN: Final = "demo-form"
CONSOLE_KEY: Final = "demo-key-of-the-console-never-live"

CONFIG: Final = """\
timezone = "America/Bogota"
region = "CO"

[console]
enabled = true

[console.people.demo]
role = "admin"
token = "demo-key-of-the-console-never-live"

[metrics]
public = true

[accounts.dialler]
vendor = "wolkvox"
base_url = "{url}"
token = "demo-wolkvox"
licences = 10
dial_prefix = "9"

[accounts.surveys]
vendor = "tracksale"
base_url = "{url}"
token = "demo-tracksale"

[sources.landing]
mapping = "lead"
verify = {{ scheme = "standard-webhooks", secrets = ["{secret}"] }}
on_invalid = "refuse"

[sources.form]
mapping = "lead"
verify = {{ scheme = "token", header = "X-Token", secrets = ["{form}"] }}
on_invalid = "refuse"

[sources.tickets]
mapping = "ticket"
verify = {{ scheme = "token", header = "X-Token", secrets = ["{tickets}"] }}

[[routes]]
name = "dial new leads"
on = "lead.created"
to = "wolkvox.add_record"
account = "dialler"
campaign_id = "1042"
campaign_status = "auto"
opt = ["utm.source", "program"]
trace_field = "opt12"
expires_after = "24h"
once_per = {{ key = "phone", within = "24h" }}

[[routes]]
name = "survey closed tickets"
on = "ticket.closed"
to = "tracksale.dispatch"
account = "surveys"
campaign_code = "52"
schedule = "now"
tags = {{ Canal = "channel", Ejecutivo = "agent.name" }}

[[routes]]
name = "tag answers"
on = "ticket.updated"
to = "tracksale.fill_empty_tags"
account = "surveys"
tags = {{ Canal = "channel", Ejecutivo = "agent.name" }}

[[routes]]
name = "note on answers"
on = "ticket.updated"
to = "tracksale.note"
account = "surveys"
"""

ALARM_SECRET: Final = "whsec_YWxhcm1zIG9mIHRoZSBkZW1vLCBuZXZlciBsaXZl"

#: Parts that only the console needs: alarms, and a lot that a person fires.
KEPT: Final = """\

[alarms]
dead_percent = 1
dead_least = 1

[[alarms.to]]
name = "shift"
url = "{alarms}"
secret = "{secret}"
language = "es"

[[routes]]
name = "survey new tickets once a person agrees"
on = "ticket.created"
to = "tracksale.dispatch"
account = "surveys"
campaign_code = "26"
schedule = "draft"
"""

CALL_BACK: Final = "1043"
HELPDESK_SECRET: Final = "demo-helpdesk"
NOTED: Final = "Se le devolverá la llamada: está en la campaña 1043."

#: The full circle: a ticket is surveyed, its answer polled, and an unhappy customer called back.
CIRCLE: Final = """\

[accounts.helpdesk]
vendor = "postcenter"
base_url = "{url}"
token = "demo-postcenter"

[sources.helpdesk]
mapping = "postcenter"
account = "helpdesk"
verify = {{ scheme = "postcenter", secrets = ["{helpdesk}"] }}

[sources.answers]
mapping = "tracksale_answer"
account = "surveys"
poll = {{ call = "tracksale.answers", campaign_code = "52", every = "1s" }}

[[routes]]
name = "call the unhappy back"
on = "answer.detractor"
to = "wolkvox.add_record"
account = "dialler"
campaign_id = "1043"
campaign_status = "start"
opt = ["score", "comment"]

[[routes]]
name = "note that they are called back"
on = "answer.detractor"
to = "tracksale.note"
account = "surveys"
text = "{noted}"
"""
