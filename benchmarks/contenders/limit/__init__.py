"""The limit: the same work in SQL sent by hand, without a library. What PostgreSQL itself needs."""
