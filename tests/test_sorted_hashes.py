"""Many hashes are given back in their order, each once, whatever the order in which they came."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import pytest

from connector.admin import sorted_hashes
from connector.admin.sorted_hashes import SortedHashes

HASHES = [blake2b(str(number).encode(), digest_size=16).hexdigest() for number in range(1_000)]


@pytest.mark.parametrize("in_memory", [1, 300, 100_000])
@pytest.mark.parametrize("most", [1, 7, 1_000, 5_000])
def test_all_come_back_once_in_order_in_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: int, most: int
) -> None:
    monkeypatch.setattr(sorted_hashes, "IN_MEMORY", in_memory)
    hashes = SortedHashes(tmp_path)
    for at in range(0, len(HASHES), 90):
        hashes.add(HASHES[at : at + 90])
    hashes.add(HASHES[:10])
    batches = list(hashes.batches(most))
    assert [one for batch in batches for one in batch] == sorted(HASHES)
    assert all(len(batch) == most for batch in batches[:-1])
    assert 0 < len(batches[-1]) <= most


def test_of_nothing_there_is_no_batch(tmp_path: Path) -> None:
    hashes = SortedHashes(tmp_path)
    hashes.add([])
    assert list(hashes.batches(10)) == []
