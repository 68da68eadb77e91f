"""`make screenshots`: every page of the console in three languages, both palettes and two widths.

It shows what the demo has. The pictures are written into the folder that is given, else into ``var/screenshots``.
"""

from __future__ import annotations

import os
import sys
import tempfile
from itertools import product
from pathlib import Path

from connector.cli import demo, demo_config, demo_stage
from connector.core import log
from tests import chromium
from tests.chromium import LANGUAGES, THEMES, WIDTHS, Pages

#: Page -> its address; e1 and d1 are the demo's first lead.
PAGES = {
    "now": "/console/",
    "destination": "/console/destinations/dialler/wolkvox.add_record/1042",
    "search": "/console/search",
    "story": "/console/events/e1",
    "story-dead": "/console/deliveries/d{dead}",
    "deliveries": "/console/deliveries",
    "deliveries-empty": "/console/deliveries?state=uncertain",
    "problems": "/console/problems",
    "queues": "/console/queues",
    "lots": "/console/lots",
    "campaigns": "/console/campaigns",
    "surveys": "/console/surveys",
    "erase": "/console/erase",
    "setup": "/console/setup",
    "words": "/console/words",
    "account": "/console/accounts/dialler",
    "call": "/console/attempts/a1?near=d1",
    "deliveries-narrowed": "/console/deliveries?state=dead&cause=vendor.refused",
    "people-file": "/console/do-not-contact/file",
    "programs": "/console/api",
    "replay": "/console/deliveries/d{dead}/replay",
    "do-not-contact": "/console/do-not-contact",
    "history": "/console/history",
    "alarms": "/console/alarms",
    "pace": "/console/pace",
    "try": "/console/try",
    "not-found": "/console/events/e999",
}
#: Those that docs/console.md shows: (page, language, colours, width).
DOCUMENTED = {
    "now": ("now", "es", "light", 1440),
    "destination": ("destination", "pt", "dark", 1440),
    "story": ("story-dead", "es", "light", 1440),
    "problems": ("problems", "en", "light", 1440),
    "phone": ("account", "pt", "dark", 320),
}
PICTURES = Path(__file__).parent.parent / "docs" / "pictures"


def write(folder: Path) -> int:
    """Returns how many pictures were made."""
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    log.configure("CRITICAL")
    number = 0
    with tempfile.TemporaryDirectory() as place, demo_stage.open_stage(Path(place), full=True, keep=True) as stage:
        demo._leads(stage)
        demo._batch(stage)
        demo._tickets(stage)
        demo._decide(stage)
        dead = str(demo_stage.dead_letters(stage)[0]["delivery"])[1:]
        with chromium.started() as driver:
            pages = Pages(driver, stage.together.url)
            for language, theme, width in product(LANGUAGES, THEMES, WIDTHS):
                pages.sign_in(demo_config.CONSOLE_KEY)
                pages.look(language, theme, width)
                for name, path in PAGES.items():
                    pages.open(path.format(dead=dead))
                    pages.picture(folder / f"{name}-{language}-{theme}-{width}.png")
                    for shown, look in DOCUMENTED.items():
                        if look == (name, language, theme, width):
                            pages.picture(PICTURES / f"{shown}.webp")
                    number += 1
                    if pages.is_too_wide():
                        print(f"too wide: {name} {language} {width}")
    return number


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("var/screenshots")
    print(f"{write(target)} pictures in {target}")
