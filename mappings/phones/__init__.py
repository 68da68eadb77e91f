"""The phone reader for every input: webhooks, queues, files, polls, the suppression list, search and erasure.

    from mappings.phones.reader import read_phones

    reading = read_phones(value, locale)                  # a text, a number, or None; never raises
    reading = read_phones(value, locale, country="MX", area="33")  # values of other fields of the row
    reading = read_phones(value, locale, beside=row)      # finds those fields by their names

    reading.numbers   # Number(phone=Phone(57, "3000000001"), kind="mobile"): in order, each once
    reading.phones    # their `Phone`s; .e164 is "+573000000001"
    reading.notes     # the parts left out of a number that was read
    reading.refused   # why a part that looks like a number is not one
    reading.negative  # "" or why an operator must look before anybody is called

The numbers that `read_phones` finds in a text are the ones that may be dialled from it, and the same call finds them
for suppression, search and erasure. ``locale`` has ``region``, ``extra_countries`` (countries of numbers without a +;
empty: neighbours' mobiles that cannot be typing errors), ``dial_prefixes`` (those of the accounts), and ``costly``
(kinds of numbers that cost extra and that an account names).

Rules: only digits that were written as digits of the number count. Letters are digits on the North American plan only,
in a word after a toll-free code. Every result is a number in use, without special
charges unless its kind is named. No number is dialled in
another country than the one that its row names. An ambiguous text yields a note instead of a number. All of it is pure.
"""
