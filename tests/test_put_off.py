"""What a command puts off at its start works when it is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
USES = """
import re
from connector.cli import put_off
compiling = re.compile
put_off.load_marshmallow()
assert re.compile is compiling
put_off.load_marshmallow()
from marshmallow import ValidationError, validate
assert "_compiled" not in vars(validate.Email.DOMAIN_REGEX), "compiled before anybody asked"
email = validate.Email()
assert email("ana@ejemplo.com.co") and email("ana@españa.es")
for wrong in ("ana", "ana@", "@x.co", "a b@x.co", "ana@x"):
    try:
        email(wrong)
    except ValidationError:
        continue
    raise AssertionError(wrong)
"""


def test_e_mails_are_validated_by_expressions_that_are_compiled_when_they_are_needed() -> None:
    done = subprocess.run([sys.executable, "-c", USES], cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
