"""The options of an account of Meta."""

from __future__ import annotations

from connector.core.fields import (
    AccountOptions,
    Seconds,
    Text,
    Whole,
)


class MetaAccount(AccountOptions):
    """An account: the version of the API, its window, and the secret of the app."""

    # Meta's own limit grows with the page's leads and is nowhere written down as a number: this stays far below it.
    requests_per_window = Whole(least=1, load_default=100)
    window_seconds = Seconds(least=1, load_default=60.0)
    timeout_s = Seconds(least=1, load_default=30.0)
    api_version = Text(load_default="25.0", pattern=r"[0-9]{1,3}\.[0-9]", says='must be like "25.0", in quotes')
    app_secret = Text(load_default="", pattern="[!-~]+", says="holds a space or a letter that no secret has")
