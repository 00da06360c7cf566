"""The database: base class, transactions, engine, the line of SQLite's writers, statements written by hand."""
