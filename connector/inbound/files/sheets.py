"""Workbooks to tables: .xlsx, .xlsm, .xlsb, .xls and .ods, through calamine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

from connector.core.errors import ConnectorError
from connector.core.phrases import phrase
from connector.core.text import did_you_mean, listed, quote
from connector.inbound.files.table import Record, Table, Weigh, table_of
from mappings.fields import number_text

_MARKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


class Workbook:
    """A workbook's sheets. Each is held whole while it is read."""

    encoding: Final = "workbook"
    separator: Final = ""

    def __init__(self, raw: Any, name: str) -> None:
        self.name: Final = name
        self.position = 0  #: rows read
        self.size = 0  #: rows of the sheets that are read
        try:
            self._book = CalamineWorkbook.from_filelike(raw)
        except PasswordError as fault:
            raise ConnectorError(
                phrase("{name} is a workbook with a password: save it without one", name=name)
            ) from fault
        except (CalamineError, OSError, ValueError) as fault:
            raise ConnectorError(
                phrase("{name} is no workbook that can be read: open it and save it as .xlsx", name=name)
            ) from fault

    @property
    def names(self) -> list[str]:
        """The sheets that a person sees, in their order."""
        return [
            one.name
            for one in self._book.sheets_metadata
            if one.typ == SheetTypeEnum.WorkSheet and one.visible == SheetVisibleEnum.Visible
        ]

    def tables(self, weigh: Weigh) -> list[Table]:
        """A table for each sheet that has anything in it."""
        return [table for name in self.names if (table := self._table(name, weigh))]

    def table(self, weigh: Weigh, sheet: str = "") -> Table:
        """The sheet of that name; without a name, the only sheet whose titles reach people, otherwise the first.

        Raises `ConnectorError` if it is ambiguous.
        """
        if sheet:
            if sheet not in self._book.sheet_names:
                has = phrase(": it has {names}", names=listed(tuple(self.names)))
                hint = did_you_mean(sheet, self._book.sheet_names) or has
                raise ConnectorError(
                    phrase("no sheet of {name} is called {sheet}{hint}", name=self.name, sheet=quote(sheet), hint=hint)
                )
            found = [table] if (table := self._table(sheet, weigh)) else []
        else:
            found = self.tables(weigh)
        if not found:
            raise ConnectorError(phrase("{name} has no header row that names its columns: it is empty", name=self.name))
        good = [table for table in found if table.names] or found[:1]
        if len(good) > 1:
            which = listed(tuple(table.sheet for table in good))
            raise ConnectorError(
                phrase(
                    "several sheets of {name} name people: {which}; say which with --sheet", name=self.name, which=which
                )
            )
        if left := [table.sheet for table in found if table is not good[0]]:
            good[0].warnings.append(
                phrase(
                    "read is the sheet {sheet}; not read: {others}",
                    sheet=quote(good[0].sheet),
                    others=listed(tuple(left)),
                )
            )
        return good[0]

    def _table(self, name: str, weigh: Weigh) -> Table | None:
        try:
            sheet = self._book.get_sheet_by_name(name)
            rows = sheet.iter_rows()
            self.size += sheet.total_height
        except (CalamineError, ValueError) as fault:
            raise ConnectorError(
                phrase("the sheet {name} of {name2} cannot be read: it is damaged", name=quote(name), name2=self.name)
            ) from fault
        records = self._records(rows)
        try:
            return table_of(records, weigh, file=self.name, sheet=name)
        except ConnectorError:  # an empty sheet, as new workbooks have
            return None

    def _records(self, rows: Iterable[Sequence[Any]]) -> Iterator[Record]:
        for line, cells in enumerate(rows, start=1):
            self.position += 1
            texts = [cell if type(cell) is str else cell_text(cell) for cell in cells]
            if any(texts):
                yield Record(line, "\t".join(texts), texts)


def is_workbook(head: bytes) -> bool:
    """Whether a file that begins so is a workbook; an archive of another kind was unpacked before."""
    return head.startswith(_MARKS)


def cell_text(cell: Any) -> str:
    """The displayed text of a cell: whole numbers without fractions, times in ISO 8601."""
    if isinstance(cell, str):
        return cell
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, (int, float)):
        return number_text(cell)
    if isinstance(cell, datetime):
        return (cell.date() if cell.time() == time() else cell.replace(microsecond=0)).isoformat()
    if isinstance(cell, (date, time)):
        return cell.isoformat()
    return str(cell) if isinstance(cell, timedelta) else ""
