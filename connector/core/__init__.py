"""Code that three rooms or more need and that knows no table and no vendor: errors, log, HTTP client, quota, fields."""
