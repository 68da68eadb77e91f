"""Brings a message to an addressee: a signed webhook, or `apprise` in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import closing
from typing import Final

import orjson

from connector.admin.alarms.messages import Message
from connector.core import masking
from connector.core.alarms import Severity
from connector.core.errors import ConnectorError
from connector.core.http import Client, NoAnswer, NotSent
from connector.core.settings import Addressee, Verify
from connector.inbound.signatures import sign

WEBHOOK_S: Final = 20.0
APPRISE_S: Final = 60.0  #: of its process, start and all
SIGNED: Final = Verify(scheme="standard-webhooks")


class NotTold(ConnectorError):  # noqa: N818 - what came of a try
    """The addressee was not reached. The text may be shown."""


def send(to: Addressee, message: Message, severity: Severity, message_id: str) -> None:
    """One try. ``message_id``: the same at every try, so that a receiver knows a second copy. Raises `NotTold`."""
    if to.secret:
        _post(to, message, message_id)
    else:
        _by_apprise(to, message, severity)


def _post(to: Addressee, message: Message, message_id: str) -> None:
    headers = sign(SIGNED, message.body, secret=to.secret, now_s=time.time(), message_id=message_id)
    with closing(Client(headers, timeout_s=WEBHOOK_S)) as client:
        try:
            answer = client.call("POST", to.url.reveal(), body=message.body)
        except (NotSent, NoAnswer) as fault:
            raise NotTold(masking.of_others(str(fault))) from None
    if not 200 <= answer.status < 300:
        raise NotTold(f"HTTP {answer.status}")


def _by_apprise(to: Addressee, message: Message, severity: Severity) -> None:
    request = {"url": to.url.reveal(), "title": message.title, "text": message.text, "severity": severity.value}
    line = [sys.executable, "-m", "connector.admin.alarms.apprise_process"]
    try:
        ended = subprocess.run(line, input=orjson.dumps(request), capture_output=True, timeout=APPRISE_S, check=False)
        answer = orjson.loads(ended.stdout)
    except subprocess.TimeoutExpired:
        raise NotTold(f"apprise did not end within {APPRISE_S:.0f} s") from None
    except (OSError, orjson.JSONDecodeError):
        raise NotTold("apprise could not be run") from None
    if not answer["known"]:
        raise NotTold("apprise does not know such an address")
    if not answer["sent"]:
        raise NotTold(masking.of_others(str(answer["words"])) or "apprise could not send it")
