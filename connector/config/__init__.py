"""File and environment to frozen `Settings`, with every fault at once.

`loader` is the entry: it reads the file and fills in its variables. `environment` reads the other variables. `shapes`
defines each table, `tables` converts each table into its part of the settings, `references` checks relations between
tables, and `faults` collects the faults.
"""
