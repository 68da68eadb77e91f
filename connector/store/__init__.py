"""The tables and their queries, on SQLite and Postgres, and the migrations. No policy."""
