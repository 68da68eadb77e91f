"""`python -m connector.admin.alarms.apprise_process`: sends one message by `apprise`, and ends.

In a process of its own: `apprise` loads 270 modules (45 MB), has no deadline for the whole of a message, and writes
addresses with their tokens into its log. The message comes on stdin, so that no secret stands in a list of processes.
"""

from __future__ import annotations

import json
import logging
import sys


def main() -> None:
    """Reads ``{"url", "title", "text", "severity"}``; prints ``{"known", "sent", "words"}``."""
    import apprise

    request = json.load(sys.stdin)
    logging.disable(logging.CRITICAL)
    sender = apprise.Apprise()
    if not sender.add(request["url"]):
        print(json.dumps({"known": False}))
        return
    logging.disable(logging.NOTSET)
    kind = apprise.NotifyType.FAILURE if request["severity"] == "urgent" else apprise.NotifyType.WARNING
    with apprise.LogCapture(level=logging.WARNING, fmt="%(message)s") as log:  # type: ignore[no-untyped-call]
        plain = apprise.NotifyFormat.TEXT  # or its lines would be joined where mail is HTML
        sent = sender.notify(body=request["text"], title=request["title"], notify_type=kind, body_format=plain)
        words = log.getvalue().strip().splitlines()
    print(json.dumps({"known": True, "sent": bool(sent), "words": words[-1] if words and not sent else ""}))


if __name__ == "__main__":
    main()
