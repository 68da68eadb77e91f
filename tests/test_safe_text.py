"""An account that asks for it sends no formula and no tag."""

from __future__ import annotations

import pytest

from mappings.safe_text import harmless


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ('=HYPERLINK("http://x","y")', '\'=HYPERLINK("http://x","y")'),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        (" -2+3", "' -2+3"),
        ("\t=1", "'\t=1"),
        ("＝1+1", "'＝1+1"),
        ("<script>alert(1)</script>Ana", "alert(1)Ana"),
        ("<scr<script>ipt>x", "script>x"),
        ("<b", "b"),
        ("<i>=1+1</i>", "'=1+1"),
        ("+57 300 000 0001", "+57 300 000 0001"),
        ("-12,5", "-12,5"),
        ("1 < 2 > 0", "1 < 2 > 0"),
        ("Ana", "Ana"),
    ],
)
def test_a_text_is_made_harmless(typed: str, sent: str) -> None:
    record = {"name": typed, "tags": [{"value": typed}], "email": "+ana@example.com", "age": 3, "none": None}
    assert harmless(record) == record | {"name": sent, "tags": [{"value": sent}]}
