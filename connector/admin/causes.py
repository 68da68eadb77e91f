"""Short names of reason codes, for filters and headings; the sentence with its facts is made in `core.reasons`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from connector.core.phrases import Phrase, phrase
from connector.core.reasons import Code

#: Causes for which deliveries are looked for.
CAUSES: Final[Mapping[Code, Phrase]] = {
    Code.REFUSED: phrase("refused by the vendor"),
    Code.NO_RECORD: phrase("no record could be made"),
    Code.PROVOKED_END: phrase("set apart: an unknown answer"),
    Code.DUPLICATE: phrase("the vendor had it already"),
    Code.LISTED: phrase("on the do-not-contact list"),
    Code.REGISTRY_LISTED: phrase("on a public list"),
    Code.ONCE: phrase("a copy of another one"),
    Code.EXPIRED: phrase("too old when its turn came"),
    Code.EXPIRED_HOURS: phrase("too old when the contact hours began"),
    Code.EXPIRED_CAP: phrase("too old while a cap was waited for"),
    Code.CAP_ENDED: phrase("contacted as often as they may be"),
    Code.NINETY_DAYS: phrase("surveyed too recently"),
    Code.CONSENT_MISSING: phrase("no proof of consent"),
    Code.CONSENT_DENIED: phrase("consent was denied"),
    Code.CONSENT_OLD: phrase("consent is too old"),
    Code.BEFORE_ENDED: phrase("the one before it ended unsent"),
    Code.LOT_DISCARDED: phrase("its draft lot was discarded"),
    Code.ERASED: phrase("erased on request"),
    Code.HOURS_HELD: phrase("waits for the contact hours"),
    Code.CAP_HELD: phrase("waits for a cap"),
    Code.SHARE_HELD: phrase("waits for its source's share"),
    Code.UNKNOWN_KEPT: phrase("no answer, and the vendor cannot be asked"),
    Code.PROBE_DISAGREES: phrase("the vendor has only some of its batch"),
    Code.PROBE_NOT_SEEN: phrase("not seen at the vendor after several looks"),
    Code.REPLAYED: phrase("sent again by a person"),
}
